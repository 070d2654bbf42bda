//! Python literals, as exporters write them into a model's metadata: `{0: 'person', 1: "driver's seat"}`, `[640, 640]`.
//!
//! A parser of the language's own grammar, not a pattern: names may hold braces, quotes, colons, commas and escapes.

use std::iter::Peekable;
use std::str::Chars;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(String),
    List(Vec<Literal>),
    Dict(Vec<(Literal, Literal)>),
}

/// Deeper nesting than this is refused; metadata have one or two levels.
const MOST_DEPTH: usize = 16;

/// Parses one literal; the error says what was expected and near which character.
pub(super) fn parse(text: &str) -> Result<Literal, String> {
    let mut parser = Parser { rest: text.chars().peekable(), at: 0 };
    let value = parser.value(0)?;
    parser.skip_space();
    match parser.rest.peek() {
        None => Ok(value),
        Some(_) => Err(parser.wrong("the end")),
    }
}

struct Parser<'a> {
    rest: Peekable<Chars<'a>>,
    at: usize,
}

impl Parser<'_> {
    fn wrong(&mut self, expected: &str) -> String {
        match self.rest.peek() {
            Some(found) => format!("expected {expected} at character {}, found {found:?}", self.at),
            None => format!("expected {expected} at character {}, found the end", self.at),
        }
    }

    fn next(&mut self) -> Option<char> {
        self.at += 1;
        self.rest.next()
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.rest.peek() == Some(&wanted);
        if found {
            self.next();
        }
        found
    }

    fn skip_space(&mut self) {
        while self.rest.peek().is_some_and(|c| c.is_whitespace()) {
            self.next();
        }
    }

    fn value(&mut self, depth: usize) -> Result<Literal, String> {
        if depth > MOST_DEPTH {
            return Err(format!("nested deeper than {MOST_DEPTH}"));
        }
        self.skip_space();
        match self.rest.peek().copied() {
            Some('{') => self.dict(depth),
            Some('[') => self.list('[', ']', depth),
            Some('(') => self.list('(', ')', depth),
            Some('\'' | '"') => self.string().map(Literal::Str),
            Some(c) if c.is_ascii_digit() || matches!(c, '-' | '+' | '.') => self.number(),
            Some(c) if c.is_ascii_alphabetic() => self.word(),
            _ => Err(self.wrong("a value")),
        }
    }

    fn dict(&mut self, depth: usize) -> Result<Literal, String> {
        self.next();
        let mut entries = Vec::new();
        loop {
            self.skip_space();
            if self.eat('}') {
                return Ok(Literal::Dict(entries));
            }
            let key = self.value(depth + 1)?;
            self.skip_space();
            if !self.eat(':') {
                return Err(self.wrong("':'"));
            }
            entries.push((key, self.value(depth + 1)?));
            self.skip_space();
            if !self.eat(',') && self.rest.peek() != Some(&'}') {
                return Err(self.wrong("',' or '}'"));
            }
        }
    }

    fn list(&mut self, open: char, close: char, depth: usize) -> Result<Literal, String> {
        self.eat(open);
        let mut items = Vec::new();
        loop {
            self.skip_space();
            if self.eat(close) {
                return Ok(Literal::List(items));
            }
            items.push(self.value(depth + 1)?);
            self.skip_space();
            if !self.eat(',') && self.rest.peek() != Some(&close) {
                return Err(self.wrong(&format!("',' or '{close}'")));
            }
        }
    }

    fn string(&mut self) -> Result<String, String> {
        let Some(quote) = self.next() else {
            return Err(self.wrong("a quote"));
        };
        let mut text = String::new();
        loop {
            match self.next() {
                None => return Err(self.wrong("the closing quote")),
                Some(c) if c == quote => return Ok(text),
                Some('\n') => {
                    return Err(self.wrong("the closing quote before the end of the line"));
                }
                Some('\\') => self.escape(&mut text)?,
                Some(c) => text.push(c),
            }
        }
    }

    fn escape(&mut self, text: &mut String) -> Result<(), String> {
        let Some(c) = self.next() else {
            return Err(self.wrong("a character after '\\'"));
        };
        match c {
            '\n' => {}
            '\\' | '\'' | '"' => text.push(c),
            'a' => text.push('\u{7}'),
            'b' => text.push('\u{8}'),
            'f' => text.push('\u{c}'),
            'n' => text.push('\n'),
            'r' => text.push('\r'),
            't' => text.push('\t'),
            'v' => text.push('\u{b}'),
            'x' => self.code(16, 2, 2, 0, text)?,
            'u' => self.code(16, 4, 4, 0, text)?,
            'U' => self.code(16, 8, 8, 0, text)?,
            '0'..='7' => self.code(8, 0, 2, c.to_digit(8).unwrap_or(0), text)?,
            // Python keeps an unknown escape as it stands.
            other => text.extend(['\\', other]),
        }
        Ok(())
    }

    fn code(&mut self, radix: u32, least: usize, most: usize, start: u32, text: &mut String) -> Result<(), String> {
        let mut code = start;
        for k in 0..most {
            match self.rest.peek().and_then(|c| c.to_digit(radix)) {
                Some(digit) => {
                    code = code.wrapping_mul(radix).wrapping_add(digit);
                    self.next();
                }
                None if k < least => return Err(self.wrong("a digit of an escape")),
                None => break,
            }
        }
        text.push(char::from_u32(code).ok_or_else(|| format!("no character has the number {code}"))?);
        Ok(())
    }

    fn number(&mut self) -> Result<Literal, String> {
        let mut text = String::new();
        while let Some(&c) = self.rest.peek() {
            if !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_')) {
                break;
            }
            text.push(c);
            self.next();
        }
        let plain = text.replace('_', "");
        if let Ok(int) = plain.parse::<i64>() {
            return Ok(Literal::Int(int));
        }
        let numeric = plain.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E'));
        match plain.parse::<f64>() {
            Ok(float) if numeric => Ok(Literal::Float(float)),
            _ => Err(format!("{text:?} is not a number")),
        }
    }

    fn word(&mut self) -> Result<Literal, String> {
        let mut word = String::new();
        while let Some(c) = self.rest.peek().copied().filter(|c| c.is_ascii_alphanumeric() || *c == '_') {
            word.push(c);
            self.next();
        }
        match word.as_str() {
            "True" | "true" => Ok(Literal::Bool(true)),
            "False" | "false" => Ok(Literal::Bool(false)),
            "None" | "null" => Ok(Literal::None),
            _ => Err(format!("{word:?} is not a literal")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let Ok(Literal::Dict(entries)) = parse(text) else { panic!("{:?}", parse(text)) };
        entries
            .into_iter()
            .map(|(_, value)| if let Literal::Str(name) = value { name } else { panic!("{value:?}") })
            .collect()
    }

    #[test]
    fn names_with_the_characters_that_break_patterns() {
        let text = r#"{0: "driver's {seat}: left", 1: 'a "quoted" name', 2: 'caminhão', 3: 'x\'y', 4: '}', 5: 'a,b', 6: '\u00e7\x41\101\n'}"#;
        assert_eq!(names(text), ["driver's {seat}: left", "a \"quoted\" name", "caminhão", "x'y", "}", "a,b", "çAA\n"]);
    }

    #[test]
    fn values_of_all_kinds() {
        assert_eq!(parse(" [640, 384] "), Ok(Literal::List(vec![Literal::Int(640), Literal::Int(384)])));
        assert_eq!(parse("(1,)"), Ok(Literal::List(vec![Literal::Int(1)])));
        assert_eq!(parse("{}"), Ok(Literal::Dict(vec![])));
        assert_eq!(parse("-1.5e3"), Ok(Literal::Float(-1500.0)));
        assert_eq!(
            parse("{'nms': False, 'x': None}"),
            Ok(Literal::Dict(vec![
                (Literal::Str("nms".into()), Literal::Bool(false)),
                (Literal::Str("x".into()), Literal::None)
            ]))
        );
    }

    #[test]
    fn what_is_no_literal_is_refused() {
        let deep = "[".repeat(1_000_000);
        for text in [
            "",
            "{0: 'a', 1: ",
            "{0 'a'}",
            "{0: 'a' 1: 'b'}",
            "'open",
            "{0: 'a'} x",
            "[1, 2",
            "__import__('os')",
            "1.2.3",
            r"'\x4'",
            r"'\U00110000'",
            "0x10",
            "inf",
            "{0: 'a\nb'}",
            &deep,
        ] {
            assert!(parse(text).is_err(), "{text:.40}");
        }
    }
}
