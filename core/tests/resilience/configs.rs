//! Every field at the ends of its range, just outside of it, and NaN.

use guarita::resilience::{
    BreakerWindow, Bulkhead, CircuitBreakerConfig, FailurePolicy, RateLimit, RateLimitConfig, RetryConfig, RetryPolicy,
    Timeout,
};
use guarita::{CircuitBreaker, ErrorCode, Result};
use serde_json::{Value, json};

fn check(make: impl Fn(Value) -> Result<()>, field: &str, good: &[Value], bad: &[Value]) {
    let with = |value: &Value| json!({ field: value });
    for value in good {
        make(with(value)).unwrap_or_else(|error| panic!("{field} {value}: {error}"));
    }
    for value in bad {
        let error = make(with(value)).expect_err(&format!("{field} {value}"));
        assert_eq!(error.code(), ErrorCode::InvalidConfig);
        assert!(error.to_string().starts_with(field), "{field} {value}: {error}");
    }
}

#[test]
fn breaker() {
    let make = |json| CircuitBreaker::new(serde_json::from_value(json).unwrap()).map(drop);
    check(make, "consecutive_failures", &[json!(0), json!(1), json!(100_000)], &[json!(100_001)]);
    for field in ["failure_rate", "slow_call_rate"] {
        check(make, field, &[json!(0.0), json!(0.01), json!(1.0)], &[json!(-0.1), json!(1.01)]);
    }
    check(make, "slow_call_s", &[json!(0.001), json!(86_400)], &[json!(0), json!(-1), json!(86_401)]);
    check(make, "minimum_calls", &[json!(1), json!(100)], &[json!(0), json!(101)]);
    check(make, "open_s", &[json!(0.001), json!(3_600)], &[json!(0), json!(3_601), json!(1e300)]);
    check(make, "open_growth", &[json!(1), json!(10)], &[json!(0.9), json!(11)]);
    check(make, "open_max_s", &[json!(60), json!(86_400)], &[json!(59), json!(86_401)]);
    check(make, "open_jitter", &[json!(0), json!(1)], &[json!(-0.1), json!(1.1)]);
    check(make, "half_open_permits", &[json!(1), json!(10_000)], &[json!(0), json!(10_001)]);
    check(make, "half_open_max_s", &[json!(0), json!(86_400)], &[json!(-1), json!(86_401)]);
    let bad = [
        json!({"calls": 0}),
        json!({"calls": 100_001}),
        json!({"time": {"seconds": 0}}),
        json!({"time": {"seconds": 3601}}),
    ];
    check(make, "window", &[json!({"calls": 20}), json!({"time": {"seconds": 0.1}})], &bad);
    let off = json!({"consecutive_failures": 0, "failure_rate": 0, "slow_call_rate": 0});
    assert_eq!(make(off).unwrap_err().code(), ErrorCode::InvalidConfig);

    let with = |change: fn(&mut CircuitBreakerConfig)| {
        let mut config = CircuitBreakerConfig::default();
        change(&mut config);
        config.validate().map_err(|error| error.to_string().split(' ').next().map(str::to_owned).unwrap())
    };
    let named = |field: &str| Err(field.to_owned());
    assert_eq!(with(|config| config.failure_rate = f32::NAN), named("failure_rate"));
    assert_eq!(with(|config| config.slow_call_rate = f32::NAN), named("slow_call_rate"));
    assert_eq!(with(|config| config.slow_call_s = f64::NAN), named("slow_call_s"));
    assert_eq!(with(|config| config.open_s = f64::NAN), named("open_s"));
    assert_eq!(with(|config| config.open_growth = f64::INFINITY), named("open_growth"));
    assert_eq!(with(|config| config.open_max_s = f64::NAN), named("open_max_s"));
    assert_eq!(with(|config| config.open_jitter = f64::NAN), named("open_jitter"));
    assert_eq!(with(|config| config.half_open_max_s = f64::NAN), named("half_open_max_s"));
    let window = with(|config| config.window = BreakerWindow::Time { seconds: f64::NAN });
    assert_eq!(window, named("window.time.seconds"));
}

#[test]
fn retry() {
    let make = |json| RetryPolicy::new(serde_json::from_value(json).unwrap(), 0).map(drop);
    check(make, "attempts", &[json!(1), json!(100)], &[json!(0), json!(101)]);
    for field in ["base_s", "throttle_base_s", "cap_s"] {
        check(make, field, &[json!(0.001), json!(3_600)], &[json!(0), json!(-1), json!(3_601)]);
    }
    check(make, "retry_after_max_s", &[json!(0), json!(3_600)], &[json!(-1), json!(3_601)]);
    for field in ["bucket", "retry_cost", "timeout_cost"] {
        check(make, field, &[json!(1), json!(1_000_000)], &[json!(0), json!(1_000_001)]);
    }
    for change in [
        |config: &mut RetryConfig| config.base_s = f64::NAN,
        |config: &mut RetryConfig| config.throttle_base_s = f64::NAN,
        |config: &mut RetryConfig| config.cap_s = f64::NAN,
        |config: &mut RetryConfig| config.retry_after_max_s = f64::NAN,
    ] {
        let mut config = RetryConfig::default();
        change(&mut config);
        assert_eq!(config.validate().unwrap_err().code(), ErrorCode::InvalidConfig);
    }
}

#[test]
fn rate_bulkhead_and_timeout() {
    let make = |json| RateLimit::new(serde_json::from_value(json).unwrap()).map(drop);
    check(make, "per_second", &[json!(1e-6), json!(1e6)], &[json!(0), json!(-1), json!(1e7)]);
    check(make, "burst", &[json!(1), json!(1_000_000)], &[json!(0), json!(1_000_001)]);
    check(make, "max_keys", &[json!(1), json!(1_000_000)], &[json!(0), json!(1_000_001)]);
    assert!(RateLimitConfig { per_second: f64::NAN, ..Default::default() }.validate().is_err());
    for (limit, good) in [(0, false), (1, true), (1_000_000, true), (1_000_001, false), (usize::MAX, false)] {
        assert_eq!(Bulkhead::new(limit).is_ok(), good, "{limit}");
    }
    for (seconds, good) in [
        (0.0, false),
        (0.001, true),
        (86_400.0, true),
        (86_401.0, false),
        (-1.0, false),
        (f64::NAN, false),
        (f64::INFINITY, false),
    ] {
        assert_eq!(Timeout::new(seconds).is_ok(), good, "{seconds}");
    }
}

#[test]
fn configs_are_data_and_unknown_fields_are_refused() {
    fn round<T: serde::Serialize + serde::de::DeserializeOwned + Default + PartialEq + std::fmt::Debug>() {
        let text = serde_json::to_string(&T::default()).unwrap();
        assert_eq!(serde_json::from_str::<T>(&text).unwrap(), T::default());
        assert_eq!(serde_json::from_str::<T>("{}").unwrap(), T::default());
        assert!(serde_json::from_str::<T>(r#"{"opne_s": 1}"#).unwrap_err().to_string().contains("opne_s"));
    }
    round::<CircuitBreakerConfig>();
    round::<RetryConfig>();
    round::<RateLimitConfig>();
    round::<FailurePolicy>();
    assert!(serde_json::from_str::<BreakerWindow>(r#"{"time": {"seconds": 1, "hours": 1}}"#).is_err());
}
