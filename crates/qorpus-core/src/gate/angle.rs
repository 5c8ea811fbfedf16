//! Real expressions such as `3*pi/4` or `1/sqrt(2)` in gate names and gate files.

use std::f64::consts::{E, PI, TAU};

/// The deepest nesting that is accepted, so that hostile text cannot exhaust the stack.
const MAX_DEPTH: usize = 32;

/// The largest relative difference of two angles that count as the same. It is 4 to 9 units in the
/// last place: the rounding error between `3*pi/8` and its decimal, or between `pi/3*2` and
/// `2*pi/3`.
const SAME_ANGLE: f64 = 1e-15;

/// Evaluates a real expression by the rules of OpenQASM.
///
/// An expression consists of numbers, `pi` or `π`, `tau` or `τ`, `euler` or `ℇ`, `+ - * /`, powers
/// written `**` or `^`, parentheses, and the functions `sqrt`, `exp`, `ln` or `log`, `sin`, `cos`,
/// `tan`, `arcsin`, `arccos`, `arctan`, `floor`, `ceiling` and `pow(base, exponent)`. A power binds
/// tighter than a sign in front of it and associates to the right: `-2**2` is -4, `2**3**2` is 512.
///
/// It is evaluated in binary64 from left to right with the usual precedence. The functions come
/// from a pure-Rust libm, so the value has the same bits on every machine.
///
/// # Errors
/// A sentence that names the first unexpected character, a division by zero, or another operation
/// without a finite value.
///
/// ```
/// assert_eq!(qorpus_core::evaluate("-3*pi/4"), Ok(-3.0 * std::f64::consts::PI / 4.0));
/// assert_eq!(qorpus_core::evaluate("2**-1"), Ok(0.5));
/// assert!(qorpus_core::evaluate("pi/0").is_err());
/// ```
pub fn evaluate(text: &str) -> Result<f64, String> {
    let (value, parser) = parse(text)?;
    parser.trouble.map_or(Ok(value), Err)
}

/// Returns whether two angles differ by rounding at most.
pub(crate) fn is_same(a: f64, b: f64) -> bool {
    a == b || distance(a, b) <= SAME_ANGLE
}

/// Returns the difference of two angles as a fraction of the larger one.
pub(crate) fn distance(a: f64, b: f64) -> f64 {
    if a == b { 0.0 } else { (a - b).abs() / a.abs().max(b.abs()) }
}

/// An angle as a gate's name has it.
pub(crate) struct Angle {
    /// The angle in radians.
    pub value: f64,
    /// The text that names of gates keep.
    pub text: String,
}

impl Angle {
    /// Reads an angle from user input. A name keeps the text, without blanks, if every reader of
    /// format version 1 can evaluate it, and otherwise the value.
    ///
    /// # Errors
    /// As [`evaluate`].
    pub(crate) fn read(text: &str) -> Result<Angle, String> {
        let (value, parser) = parse(text)?;
        if let Some(trouble) = parser.trouble {
            return Err(trouble);
        }
        let text = if parser.is_extended { spelling(value) } else { text.split_whitespace().collect() };
        Ok(Angle { value, text })
    }

    /// Reads an angle of a stored recipe. An infinite intermediate value with a finite result was
    /// once accepted and still is.
    ///
    /// # Errors
    /// As [`evaluate`].
    pub(crate) fn stored(text: &str) -> Result<Angle, String> {
        let (value, parser) = parse(text)?;
        match parser.trouble {
            Some(trouble) if !value.is_finite() => Err(trouble),
            _ => Ok(Angle { value, text: text.split_whitespace().collect() }),
        }
    }
}

/// Returns the text of a value: a multiple of pi if it is one to the bit, else the shortest
/// decimal.
fn spelling(value: f64) -> String {
    for divisor in (1..=16).chain([32, 64]) {
        let multiple = (value / PI * f64::from(divisor)).round();
        if multiple == 0.0 || multiple.abs() > 256.0 || multiple * PI / f64::from(divisor) != value {
            continue;
        }
        let sign = if multiple < 0.0 { "-" } else { "" };
        let factor = if multiple.abs() == 1.0 { String::new() } else { format!("{}*", multiple.abs()) };
        let divided = if divisor == 1 { String::new() } else { format!("/{divisor}") };
        return format!("{sign}{factor}pi{divided}");
    }
    if value == 0.0 { "0".into() } else { format!("{value:?}") }
}

/// Returns the value of an expression, and the parser at its end.
fn parse(text: &str) -> Result<(f64, Parser<'_>), String> {
    let mut parser = Parser { text, at: 0, depth: 0, is_extended: false, trouble: None };
    let value = parser.sum()?;
    parser.skip_blanks();
    if parser.at < text.len() {
        return Err(parser.unexpected());
    }
    Ok((value, parser))
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    /// Whether it uses more than numbers, `pi`, `+ - * /`, parentheses, `sqrt`, `sin` and `cos`.
    is_extended: bool,
    /// The first operation that has no finite value.
    trouble: Option<String>,
}

/// Returns the function of one value with this name. `log` is the natural logarithm, as in OpenQASM
/// 3.
fn function(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "sqrt" => libm::sqrt,
        "sin" => libm::sin,
        "cos" => libm::cos,
        "tan" => libm::tan,
        "arcsin" | "asin" => libm::asin,
        "arccos" | "acos" => libm::acos,
        "arctan" | "atan" => libm::atan,
        "exp" => libm::exp,
        "ln" | "log" => libm::log,
        "floor" => libm::floor,
        "ceiling" | "ceil" => libm::ceil,
        _ => return None,
    })
}

impl Parser<'_> {
    fn skip_blanks(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn eat(&mut self, wanted: &str) -> bool {
        self.skip_blanks();
        let found = self.text[self.at..].starts_with(wanted);
        self.at += if found { wanted.len() } else { 0 };
        found
    }

    fn unexpected(&self) -> String {
        match self.text[self.at..].chars().next() {
            Some(c) => format!("unexpected '{c}' in the expression '{}'", self.text),
            None => format!("the expression '{}' ends too early", self.text),
        }
    }

    /// Returns the value, and remembers `reason` if it is the first one that is not finite.
    fn finite(&mut self, value: f64, reason: &str) -> f64 {
        if !value.is_finite() && self.trouble.is_none() {
            self.trouble = Some(format!("'{}' {reason}", self.text.trim()));
        }
        value
    }

    fn sum(&mut self) -> Result<f64, String> {
        let mut value = self.product()?;
        loop {
            if self.eat("+") {
                value += self.product()?;
            } else if self.eat("-") {
                value -= self.product()?;
            } else {
                return Ok(value);
            }
            value = self.finite(value, TOO_LARGE);
        }
    }

    fn product(&mut self) -> Result<f64, String> {
        let mut value = self.factor()?;
        loop {
            if self.eat("*") {
                value *= self.factor()?;
                value = self.finite(value, TOO_LARGE);
            } else if self.eat("/") {
                let divisor = self.factor()?;
                let reason = if divisor == 0.0 { "divides by zero" } else { TOO_LARGE };
                value = self.finite(value / divisor, reason);
            } else {
                return Ok(value);
            }
        }
    }

    /// Parses a power, with signs in front of it.
    fn factor(&mut self) -> Result<f64, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("the expression is nested more than {MAX_DEPTH} deep"));
        }
        let value = if self.eat("-") {
            -self.factor()?
        } else if self.eat("+") {
            self.is_extended = true;
            self.factor()?
        } else {
            self.power()?
        };
        self.depth -= 1;
        Ok(value)
    }

    fn power(&mut self) -> Result<f64, String> {
        let base = if self.eat("(") { self.closing()? } else { self.atom()? };
        if !(self.eat("**") || self.eat("^")) {
            return Ok(base);
        }
        let exponent = self.factor()?;
        Ok(self.raised(base, exponent))
    }

    fn raised(&mut self, base: f64, exponent: f64) -> f64 {
        self.is_extended = true;
        let reason = if base == 0.0 && exponent < 0.0 {
            "divides by zero: it has a negative power of 0"
        } else if base < 0.0 && exponent.fract() != 0.0 {
            "is not a real number: it has a fractional power of a negative number"
        } else {
            TOO_LARGE
        };
        self.finite(libm::pow(base, exponent), reason)
    }

    fn closing(&mut self) -> Result<f64, String> {
        let value = self.sum()?;
        if self.eat(")") { Ok(value) } else { Err(self.unexpected()) }
    }

    fn atom(&mut self) -> Result<f64, String> {
        self.skip_blanks();
        let rest = &self.text[self.at..];
        let word = rest.len() - rest.trim_start_matches(char::is_alphabetic).len();
        if word > 0 {
            return self.word(&rest[..word]);
        }
        let bytes = rest.as_bytes();
        let mut end = 0;
        while let Some(&byte) = bytes.get(end) {
            let exponent_sign =
                end > 0 && matches!(byte, b'+' | b'-') && matches!(bytes[end - 1], b'e' | b'E');
            if !(byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E') || exponent_sign) {
                break;
            }
            end += 1;
        }
        let value = rest[..end].parse().map_err(|_| self.unexpected())?;
        self.at += end;
        Ok(self.finite(value, TOO_LARGE))
    }

    /// Parses a constant or a function.
    fn word(&mut self, name: &str) -> Result<f64, String> {
        let constant = match name {
            "pi" | "π" => Some(PI),
            "tau" | "τ" => Some(TAU),
            "euler" | "ℇ" => Some(E),
            _ => None,
        };
        let function = function(name);
        if constant.is_none() && function.is_none() && name != "pow" {
            return Err(format!("unknown name '{name}' in the expression '{}'", self.text));
        }
        self.is_extended |= !matches!(name, "pi" | "sqrt" | "sin" | "cos");
        self.at += name.len();
        if let Some(constant) = constant {
            return Ok(constant);
        }
        if !self.eat("(") {
            return Err(self.unexpected());
        }
        let Some(function) = function else {
            let base = self.sum()?;
            if !self.eat(",") {
                return Err(self.unexpected());
            }
            let exponent = self.closing()?;
            return Ok(self.raised(base, exponent));
        };
        let argument = self.closing()?;
        let reason = match name {
            "exp" | "tan" => TOO_LARGE,
            _ => "is not a real number: a function in it is not defined for its argument",
        };
        Ok(self.finite(function(argument), reason))
    }
}

const TOO_LARGE: &str = "is not a finite number: a value in it is too large";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        for (text, value) in [
            ("pi", PI),
            (" - pi / 2 ", -PI / 2.0),
            ("3*pi/4", 3.0 * PI / 4.0),
            ("2*(1+1.5e-1)", 2.0 * 1.15),
            ("1/sqrt(2)", 1.0 / 2f64.sqrt()),
            ("--1", 1.0),
            ("1e+2-1", 99.0),
            // As OpenQASM has them.
            ("tau/4", PI / 2.0),
            ("π/4", PI / 4.0),
            ("τ", TAU),
            ("ℇ", E),
            ("euler", E),
            ("+1", 1.0),
            ("2*+pi", TAU),
            ("-+-1", 1.0),
            ("pi**2", PI * PI),
            ("pi^2", PI * PI),
            ("-2**2", -4.0),
            ("2**3**2", 512.0),
            ("2**-1", 0.5),
            ("(-2)**3", -8.0),
            ("2*3**2/2", 9.0),
            ("exp(0)+ln(1)+log(1)+tan(0)", 1.0),
            ("arcsin(1)", PI / 2.0),
            ("acos(0)", PI / 2.0),
            ("4*arctan(1)", PI),
            ("pow(2, 1+2)", 8.0),
            ("floor(1.5)+ceiling(1.5)", 3.0),
        ] {
            assert_eq!(evaluate(text), Ok(value), "{text}");
        }
        assert_eq!(evaluate("exp(1)").map(f64::to_bits), Ok(0x4005_BF0A_8B14_576A));
    }

    #[test]
    fn refusals() {
        let (deep, tower) = ("(".repeat(100_000), "2**".repeat(100_000));
        for text in [
            "", "pi pi", "1+", "theta", "1/0", "(1", "1)", "e", "é", "sqrt", "sqrt(-1)", "..", "1 2", "2**",
            "*2", "pow(2)", "sin(1,2)", "2 * * 3", "im", "inf", "nan", "infinity", "1e999", &deep, &tower,
        ] {
            assert!(evaluate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_has_no_value_says_why() {
        for (text, reason) in [
            ("pi/0", "divides by zero"),
            ("1/(1/0)", "divides by zero"),
            ("0**-1", "divides by zero"),
            ("(-8)**(1/3)", "fractional power of a negative number"),
            ("sqrt(-1)", "not defined"),
            ("arcsin(2)", "not defined"),
            ("ln(0)", "not defined"),
            ("exp(1000)", "too large"),
            ("1e308*10", "too large"),
        ] {
            let said = evaluate(text).unwrap_err();
            assert!(said.starts_with(&format!("'{text}'")) && said.contains(reason), "{said}");
        }
        assert_eq!(Angle::stored("1/(1/0)").map(|angle| angle.value), Ok(0.0), "it was stored once");
        assert!(Angle::stored("1/0").is_err());
    }

    #[test]
    fn names_keep_what_every_version_reads() {
        for (text, kept) in [
            ("3 * pi/4", "3*pi/4"),
            ("1e-05", "1e-05"),
            (".5", ".5"),
            ("tau/4", "pi/2"),
            ("-τ/3", "-2*pi/3"),
            ("+1", "1.0"),
            ("0*tau", "0"),
            ("2**0.5", "1.4142135623730951"),
            ("exp(-20)", "2.061153622438558e-9"),
        ] {
            let angle = Angle::read(text).unwrap();
            assert_eq!(angle.text, kept, "{text}");
            let (again, parser) = parse(kept).unwrap();
            assert_eq!((again.to_bits(), parser.is_extended), (angle.value.to_bits(), false), "{text}");
        }
    }

    #[test]
    fn angles_are_the_same_but_for_rounding() {
        let same = |a: &str, b: &str| is_same(evaluate(a).unwrap(), evaluate(b).unwrap());
        assert!(same("3*pi/8", "1.1780972450961724") && same("pi/3*2", "2*pi/3") && same("0", "-0"));
        assert!(same("pi/4", "0.78539816339744828"));
        assert!(!same("0", "1e-300") && !same("pi/4", "-pi/4") && !same("0.5", "0.50000000000001"));
    }
}
