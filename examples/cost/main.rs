//! Reckons what a cloud's look at every picture costs: cameras × frames a second × the gate's open share × APIs.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

use clap::Parser;
use guarita::budget::{MicroDollars, PriceTable};
use guarita::{Error, ErrorCode};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Reckons the monthly bill of a cloud that looks at pictures.
///
/// Prices are those of Amazon Rekognition Image, group 2, in us-east-1, as published; check your region's price list.
/// Every API that looks at a picture bills it once. A month begins with no images in the price tiers.
///
/// Exit status: 0, or 2 for wrong arguments or a wrong price file.
#[derive(Parser)]
#[command(name = "cost", version)]
struct Arguments {
    /// Cameras, 1..1000000
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    cameras: u32,
    /// Frames a second of each camera, more than 0, up to 240
    #[arg(long, default_value_t = 1.0, value_parser = |text: &str| within(text, 1e-6, 240.0))]
    fps: f64,
    /// The share of frames that the motion gate lets pass, 0..1
    #[arg(long, default_value_t = 1.0, value_parser = |text: &str| within(text, 0.0, 1.0))]
    open_share: f64,
    /// Who looks at a frame: labels, text, faces, or any name of the price file; may be given several times (default:
    /// labels)
    #[arg(long = "api", value_name = "NAME")]
    apis: Vec<String>,
    /// Days of the month, 1..31
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=31))]
    days: u32,
    /// A TOML file of prices: "API" = [{ up_to = 1000000, price = 1000 }, { price = 800 }], in millionths of a dollar
    #[arg(long)]
    prices: Option<PathBuf>,
    /// Also say what a cap of so many dollars a month allows
    #[arg(long, value_name = "DOLLARS", value_parser = dollars)]
    cap_month: Option<MicroDollars>,
    /// Print one JSON object in place of the table; amounts are millionths of a dollar
    #[arg(long)]
    json: bool,
}

fn within(text: &str, least: f64, most: f64) -> Result<f64, String> {
    // NaN is in no range.
    text.parse().ok().filter(|value| (least..=most).contains(value)).ok_or(format!("it must be {least}..{most}"))
}

/// Dollars with up to six decimals, without a detour over fractions.
fn dollars(text: &str) -> Result<MicroDollars, String> {
    let wrong = || "it must be an amount in dollars, as 1000 or 1000.50".to_owned();
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 6 || !(whole.to_owned() + decimals).bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(wrong());
    }
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let decimals: u64 = format!("{decimals:0<6}").parse().map_err(|_| wrong())?;
    let micros = whole.checked_mul(1_000_000).and_then(|micros| micros.checked_add(decimals)).ok_or_else(wrong)?;
    Ok(MicroDollars::from_micros(micros))
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error {} ({:?}): {error}", error.code().number(), error.code());
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Error> {
    let prices = arguments.prices.as_deref().map_or_else(|| Ok(PriceTable::default()), read_prices)?;
    let bill = Bill::new(arguments, &prices)?;
    if arguments.json {
        println!("{}", bill.json())
    } else {
        bill.print(arguments)
    }
    Ok(())
}

fn read_prices(path: &Path) -> Result<PriceTable, Error> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Error::new(ErrorCode::NotFound, format!("cannot read {}: {error}", path.display())))?;
    let wrong = |error: &dyn std::fmt::Display| {
        Error::new(ErrorCode::InvalidConfig, format!("{} holds no price table: {error}", path.display()))
    };
    let prices: PriceTable = toml::from_str(&text).map_err(|error| wrong(&error))?;
    prices.validate().map_err(|error| wrong(&error))?;
    Ok(prices)
}

/// What one API costs, or all together.
#[derive(Default)]
struct Row {
    day: MicroDollars,
    month_flat: MicroDollars,
    month_tiered: MicroDollars,
    /// With a gate that is always open.
    month_tiered_without_gate: MicroDollars,
}

impl Row {
    fn saved(&self) -> MicroDollars {
        self.month_tiered_without_gate.saturating_sub(self.month_tiered)
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "day": self.day, "month_flat": self.month_flat, "month_tiered": self.month_tiered,
            "month_tiered_without_gate": self.month_tiered_without_gate, "saved_by_gate": self.saved(),
        })
    }
}

struct Bill {
    images_day: u64,
    images_month: u64,
    rows: Vec<(String, Row)>,
    total: Row,
    /// A cap, and the images of a month that it allows each API.
    cap: Option<(MicroDollars, u64)>,
}

impl Bill {
    fn new(arguments: &Arguments, prices: &PriceTable) -> Result<Self, Error> {
        let frames_day = (f64::from(arguments.cameras) * arguments.fps * 86_400.0).round();
        let images_day = (frames_day * arguments.open_share).round() as u64;
        let days = u64::from(arguments.days);
        let (images_month, frames_month) = (images_day * days, frames_day as u64 * days);
        let mut rows: Vec<(String, Row)> = Vec::new();
        let mut total = Row::default();
        let default = ["labels".to_owned()];
        let asked = if arguments.apis.is_empty() { &default[..] } else { &arguments.apis };
        for name in asked {
            let api = match name.as_str() {
                "labels" => "rekognition:DetectLabels",
                "text" => "rekognition:DetectText",
                "faces" => "rekognition:DetectFaces",
                other => other,
            };
            let Some(flat) = prices.price(api, 0) else {
                let known: Vec<_> = prices.apis().collect();
                let message = format!("no price for the API {api:?}; there are labels, text, faces, and {known:?}");
                return Err(Error::new(ErrorCode::InvalidArgument, message));
            };
            if rows.iter().any(|(known, _)| known == api) {
                return Err(Error::new(ErrorCode::InvalidArgument, format!("the API {api:?} is given twice")));
            }
            let tiered = |images| prices.cost(api, 0, images).unwrap_or_default();
            let row = Row {
                day: flat.times(images_day),
                month_flat: flat.times(images_month),
                month_tiered: tiered(images_month),
                month_tiered_without_gate: tiered(frames_month),
            };
            total = Row {
                day: total.day + row.day,
                month_flat: total.month_flat + row.month_flat,
                month_tiered: total.month_tiered + row.month_tiered,
                month_tiered_without_gate: total.month_tiered_without_gate + row.month_tiered_without_gate,
            };
            rows.push((api.to_owned(), row));
        }
        let cost = |images| rows.iter().filter_map(|(api, _)| prices.cost(api, 0, images)).sum::<MicroDollars>();
        let cap = arguments.cap_month.map(|cap| {
            // The most images whose cost the cap covers; costs only grow with images.
            let (mut fits, mut too_many) = (0, images_month + 1);
            while too_many - fits > 1 {
                let middle = fits + (too_many - fits) / 2;
                if cost(middle) <= cap { fits = middle } else { too_many = middle }
            }
            (cap, fits)
        });
        Ok(Self { images_day, images_month, rows, total, cap })
    }

    fn print(&self, arguments: &Arguments) {
        let Arguments { cameras, fps, open_share, days, .. } = arguments;
        println!("{cameras} cameras × {fps} frames a second, the gate open for {open_share} of them");
        println!(
            "{} images a day, {} in {days} days, each looked at by {} API{}\n",
            grouped(self.images_day),
            grouped(self.images_month),
            self.rows.len(),
            if self.rows.len() == 1 { "" } else { "s: each bills it" }
        );
        let month = |what: &str| format!("{days} days, {what}");
        println!("{:<28} {:>16} {:>18} {:>18} {:>18}", "", "a day", month("flat"), month("tiers"), "saved by the gate");
        let row = |name: &str, row: &Row| {
            let amounts = [row.day, row.month_flat, row.month_tiered, row.saved()].map(money);
            println!("{name:<28} {:>16} {:>18} {:>18} {:>18}", amounts[0], amounts[1], amounts[2], amounts[3]);
        };
        self.rows.iter().for_each(|(api, of)| row(api, of));
        if self.rows.len() > 1 {
            row("total", &self.total);
        }
        println!(
            "\na day, and flat: every image at the price of the first tier; tiers: volume prices, by API and month"
        );
        if *open_share < 1.0 {
            let without = money(self.total.month_tiered_without_gate);
            println!("without a gate: {without} in {days} days, with tiers");
        }
        if let Some((cap, images)) = self.cap {
            if images >= self.images_month {
                println!("a cap of {} a month covers all of it", money(cap));
            } else {
                println!(
                    "a cap of {} a month allows {} of {} images ({:.2} %): spent after {}",
                    money(cap),
                    grouped(images),
                    grouped(self.images_month),
                    images as f64 / self.images_month as f64 * 100.0,
                    span(images as f64 / self.images_day as f64),
                );
            }
        }
    }

    fn json(&self) -> serde_json::Value {
        let rows: Vec<_> = self
            .rows
            .iter()
            .map(|(api, row)| {
                let mut value = row.json();
                value["api"] = json!(api);
                value
            })
            .collect();
        let cap = self.cap.map(|(cap, images)| json!({"cap_month": cap, "images": images}));
        json!({
            "images_day": self.images_day, "images_month": self.images_month, "apis": rows, "total": self.total.json(),
            "cap": cap,
        })
    }
}

/// Digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (k, digit) in digits.chars().enumerate() {
        if k > 0 && (digits.len() - k).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// An amount to the cent, or finer where it has finer parts.
fn money(amount: MicroDollars) -> String {
    let text = amount.to_string();
    let decimals = text.split_once('.').map_or("00", |(_, decimals)| decimals);
    format!("${}.{decimals}", grouped(amount.as_micros() / 1_000_000))
}

fn span(days: f64) -> String {
    if days < 2.0 { format!("{:.1} hours", days * 24.0) } else { format!("{days:.1} days") }
}
