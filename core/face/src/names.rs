//! The names and numbers of codes and advice, as programs in every language see them. They never change.

use guarita::{Advice, ErrorCode};

const ADVICE: [(Advice, &str); 5] = [
    (Advice::Never, "Never"),
    (Advice::RetryLater, "RetryLater"),
    (Advice::ChangeInput, "ChangeInput"),
    (Advice::ChangeConfig, "ChangeConfig"),
    (Advice::FixHost, "FixHost"),
];

/// The name of an advice, such as `RetryLater`.
pub fn of_advice(advice: Advice) -> &'static str {
    ADVICE.iter().find(|(other, _)| *other == advice).map_or("Never", |(_, name)| name)
}

/// The advice of this name; none for another word.
pub fn advice(name: &str) -> Option<Advice> {
    ADVICE.iter().find(|(_, other)| *other == name).map(|(advice, _)| *advice)
}

/// The name of a code, such as `NotFound`.
pub fn of_code(code: ErrorCode) -> String {
    code.to_string()
}

/// The code of this name; none for another word.
pub fn code(name: &str) -> Option<ErrorCode> {
    ErrorCode::ALL.into_iter().find(|code| code.to_string() == name)
}

/// The code of this number; none for one that is not given.
pub fn code_of_number(number: u16) -> Option<ErrorCode> {
    ErrorCode::ALL.into_iter().find(|code| code.number() == number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_and_its_advice_has_a_name_that_leads_back() {
        for code in ErrorCode::ALL {
            assert_eq!(self::code(&of_code(code)), Some(code));
            assert_eq!(code_of_number(code.number()), Some(code));
            assert_eq!(advice(of_advice(code.advice())), Some(code.advice()));
        }
        for (known, name) in ADVICE {
            assert_eq!((of_advice(known), advice(name)), (name, Some(known)));
            assert_eq!(name, format!("{known:?}"), "as Rust calls it");
        }
        assert_eq!((code("NoSuch"), code("notfound"), code_of_number(0), code_of_number(18)), (None, None, None, None));
        assert_eq!(advice("never"), None);
    }
}
