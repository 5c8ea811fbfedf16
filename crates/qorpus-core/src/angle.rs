//! Real expressions such as `3*pi/4` or `1/sqrt(2)`, as they stand in gate names and gate files.

use std::f64::consts::PI;

/// Nesting beyond this is refused, so that hostile text cannot exhaust the stack.
const MAX_DEPTH: usize = 32;

/// The value of a real expression of numbers, `pi`, `+ - * /`, parentheses and the functions `sqrt`, `sin`, `cos`.
///
/// Evaluated in binary64 from left to right with the usual precedence; the functions come from a pure-Rust
/// libm, so the value has the same bits on every machine.
///
/// # Errors
/// A sentence naming the first character that does not fit, or saying that the value is not finite.
///
/// ```
/// assert_eq!(qorpus_core::evaluate("-3*pi/4"), Ok(-3.0 * std::f64::consts::PI / 4.0));
/// assert!(qorpus_core::evaluate("pi/0").is_err());
/// ```
pub fn evaluate(text: &str) -> Result<f64, String> {
    let mut parser = Parser { text, at: 0, depth: 0 };
    let value = parser.sum()?;
    parser.skip_blanks();
    if parser.at < text.len() {
        return Err(parser.unexpected());
    }
    if !value.is_finite() {
        return Err(format!("'{text}' is not a finite number"));
    }
    Ok(value)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn skip_blanks(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn eat(&mut self, wanted: char) -> bool {
        self.skip_blanks();
        let found = self.text[self.at..].starts_with(wanted);
        self.at += if found { wanted.len_utf8() } else { 0 };
        found
    }

    fn unexpected(&self) -> String {
        match self.text[self.at..].chars().next() {
            Some(c) => format!("'{c}' is unexpected in the expression '{}'", self.text),
            None => format!("the expression '{}' ends too early", self.text),
        }
    }

    fn sum(&mut self) -> Result<f64, String> {
        let mut value = self.product()?;
        loop {
            if self.eat('+') {
                value += self.product()?;
            } else if self.eat('-') {
                value -= self.product()?;
            } else {
                return Ok(value);
            }
        }
    }

    fn product(&mut self) -> Result<f64, String> {
        let mut value = self.factor()?;
        loop {
            if self.eat('*') {
                value *= self.factor()?;
            } else if self.eat('/') {
                value /= self.factor()?;
            } else {
                return Ok(value);
            }
        }
    }

    fn factor(&mut self) -> Result<f64, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("the expression is nested more than {MAX_DEPTH} deep"));
        }
        let value = if self.eat('-') {
            -self.factor()?
        } else if self.eat('(') {
            self.closing()?
        } else {
            self.atom()?
        };
        self.depth -= 1;
        Ok(value)
    }

    fn closing(&mut self) -> Result<f64, String> {
        let value = self.sum()?;
        if self.eat(')') { Ok(value) } else { Err(self.unexpected()) }
    }

    fn atom(&mut self) -> Result<f64, String> {
        self.skip_blanks();
        let rest = &self.text[self.at..];
        let word = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        if word > 0 {
            let name = &rest[..word];
            let function: fn(f64) -> f64 = match name {
                "pi" => {
                    self.at += word;
                    return Ok(PI);
                }
                "sqrt" => libm::sqrt,
                "sin" => libm::sin,
                "cos" => libm::cos,
                _ => return Err(format!("'{name}' is unknown in the expression '{}'", self.text)),
            };
            self.at += word;
            return if self.eat('(') { Ok(function(self.closing()?)) } else { Err(self.unexpected()) };
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
        Ok(value)
    }
}

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
        ] {
            assert_eq!(evaluate(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn refusals() {
        let deep = "(".repeat(100_000);
        for text in ["", "pi pi", "1+", "tau", "1/0", "(1", "1)", "e", "é", "sqrt", "sqrt(-1)", "..", &deep]
        {
            assert!(evaluate(text).is_err(), "{text}");
        }
    }
}
