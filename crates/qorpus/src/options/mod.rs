//! Every option and its default, once for the command, Python and Rust.

pub(crate) mod alphabet;
mod by_gate;
pub(crate) mod distinct;
#[cfg(feature = "environments")]
pub(crate) mod environment;
pub(crate) mod gate_file;
pub(crate) mod gates;
pub(crate) mod job;
pub(crate) mod numbers;
pub(crate) mod recipe;
pub(crate) mod writer;

#[cfg(test)]
mod tests {
    use super::distinct::*;
    use super::gates::*;
    use super::job::*;
    use super::numbers::*;
    use super::recipe::*;
    use super::writer::*;
    use crate::Error;
    use crate::error::Result;
    use qorpus_core::Recipe;

    fn with_gates(gates: &str, qubits: usize) -> Result<Recipe> {
        RecipeOptions { gates: Some(gates.into()), qubits: Some(qubits), ..RecipeOptions::default() }.recipe()
    }

    #[test]
    fn gates_by_preset_and_list() {
        let names = |text, qubits| {
            let recipe = with_gates(text, qubits).unwrap();
            recipe.alphabet().gates().iter().map(|gate| gate.name().to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names("clifford+t", 2), "h s sdg t tdg cx");
        assert_eq!(names("clifford+t", 1), "h s sdg t tdg");
        assert_eq!(names("H, u3(pi/2, 0, pi),ccx", 3), "h u3(pi/2,0,pi) ccx");
        assert_eq!(names("ht,cx", 2), "h t cx");
    }

    #[test]
    fn costs_and_lists_take_angles_by_value() {
        let recipe = with_gates("rz(tau/8),rz(1.1780972450961724),h", 1).unwrap();
        let costs = |text| parse_costs(text, recipe.alphabet());
        assert_eq!(costs("rz(0.7853981633974483)=2, RZ(3*pi/8)=3,H=1").unwrap(), [2, 3, 1]);
        assert!(costs("rz(0.785)=1").unwrap_err().to_string().contains("its gates are rz(pi/4)"));
        for gates in ["rz(pi/4),rz(0.7853981633974483)", "nam,rz(0.5*pi)", "h,cp(0.5),cp(1/2)"] {
            let said = with_gates(gates, 2).unwrap_err();
            assert!(said.is_usage() && said.to_string().contains("are the same gate"), "{said}");
            let list = gates.split(',').map(|name| GateOption::Name(name.into())).collect();
            let options = WriterOptions { gates: Some(Gates::List(list)), ..WriterOptions::default() };
            assert_eq!(options.recipe().unwrap_err().to_string(), said.to_string());
        }
    }

    #[test]
    fn other_names_of_gates_are_not_opaque_with_angles() {
        let options = |gates: &str| WriterOptions { gates: Some(gates.into()), ..WriterOptions::default() };
        assert!(options("mine,cnot").recipe().is_ok());
        let said = options("u1(pi/4)").recipe().unwrap_err().to_string();
        assert!(said.contains("did you mean 'p'?"), "{said}");
    }

    #[test]
    fn refusals_are_usage() {
        for (gates, qubits) in
            [("", 1), ("hh", 1), ("h,,t", 1), ("ccx", 2), ("h", 0), ("h", 9), ("no.toml", 1)]
        {
            let error = with_gates(gates, qubits).unwrap_err();
            assert!(error.is_usage() || matches!(error, Error::Missing(_)), "{gates}: {error}");
        }
    }

    #[test]
    fn counts_lengths_and_parts() {
        for (text, value) in
            [("0", 0), ("12", 12), ("1k", 1000), ("2 MB", 2_000_000), ("1KiB", 1024), ("3Gib", 3 << 30)]
        {
            assert_eq!(parse_count(text).unwrap(), value, "{text}");
        }
        for text in ["", "x", "-1", "1.5", "1ib", "1Q", "99999999999T", "1M2"] {
            assert!(parse_count(text).is_err(), "{text}");
        }
        assert_eq!(parse_length("5..15").unwrap(), (5, 15));
        assert_eq!(parse_length("10").unwrap(), (10, 10));
        for text in ["", "..", "5..", "a..b", "-1..2"] {
            assert!(parse_length(text).is_err(), "{text}");
        }
        let part = |text: &str| text.parse::<Part>();
        assert!(["", "1", "2/2", "0/0", "-1/2", "a/b"].iter().all(|text| part(text).is_err()));
        let cuts: Vec<_> = (0..3).map(|i| Part::new(i, 3).unwrap().chunks(10)).collect();
        assert_eq!(cuts, [0..3, 3..6, 6..10]);
        assert_eq!(Part::default().chunks(u64::MAX), 0..u64::MAX);
        let numbers = |i, n, shards| Part::new(i, n).unwrap().shards(shards).collect::<Vec<_>>();
        assert_eq!(
            [numbers(1, 3, 8), numbers(2, 3, 2), numbers(0, 1, 2)],
            [vec![1, 4, 7], vec![], vec![0, 1]]
        );
    }
}
