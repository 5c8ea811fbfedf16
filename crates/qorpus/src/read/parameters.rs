//! Values for the parameters of a query: in order for `?`, by name for `:name`, `@name` and
//! `$name`.

use crate::error::{Error, Result};
use crate::read::authorizer::reason;
use rusqlite::Statement;
use rusqlite::types::Value;
use std::collections::BTreeMap;

/// The values for the parameters of a query.
#[derive(Debug, Clone, PartialEq)]
pub enum Parameters {
    /// One for each `?`, in order.
    Ordered(Vec<Value>),
    /// By name, without the `:`, `@` or `$` in front.
    Named(BTreeMap<String, Value>),
}

impl From<&[Value]> for Parameters {
    fn from(values: &[Value]) -> Parameters {
        Parameters::Ordered(values.to_vec())
    }
}

impl<const N: usize> From<&[Value; N]> for Parameters {
    fn from(values: &[Value; N]) -> Parameters {
        Parameters::Ordered(values.to_vec())
    }
}

impl Parameters {
    /// Binds the values to a statement: each parameter must have one value, and each value a
    /// parameter.
    pub(crate) fn bind(&self, statement: &mut Statement<'_>) -> Result<()> {
        let names: Vec<Option<String>> = (1..=statement.parameter_count())
            .map(|place| statement.parameter_name(place).map(Into::into))
            .collect();
        let values = match self {
            Parameters::Ordered(values) => ordered(&names, values)?,
            Parameters::Named(values) => named(&names, values)?,
        };
        for (place, value) in values.into_iter().enumerate() {
            statement.raw_bind_parameter(place + 1, value).map_err(|error| Error::Query(reason(&error)))?;
        }
        Ok(())
    }
}

/// Returns the name of a parameter without the mark in front; `?` and `?7` have none.
fn bare(name: Option<&String>) -> Option<&str> {
    name.and_then(|name| name.strip_prefix([':', '@', '$']))
}

fn ordered<'a>(names: &[Option<String>], values: &'a [Value]) -> Result<Vec<&'a Value>> {
    if let Some(name) = names.iter().flatten().find(|name| bare(Some(name)).is_some()) {
        return Err(Error::Usage(format!(
            "the query has the named parameter {name}: give values by name, or write ? to give them in order"
        )));
    }
    if names.len() != values.len() {
        let (wanted, given) = (names.len(), values.len());
        let plural = if wanted == 1 { "" } else { "s" };
        let values = if given == 1 { "value was" } else { "values were" };
        return Err(Error::Usage(format!(
            "the query has {wanted} parameter{plural}, but {given} {values} given"
        )));
    }
    Ok(values.iter().collect())
}

fn named<'a>(names: &[Option<String>], values: &'a BTreeMap<String, Value>) -> Result<Vec<&'a Value>> {
    let value = |name: &Option<String>| {
        let Some(name) = bare(name.as_ref()) else {
            return Err(Error::Usage(
                "the query has the unnamed parameter ?: give values in order, or write :name".into(),
            ));
        };
        values.get(name).ok_or_else(|| {
            Error::Usage(format!(
                "the query has a parameter named '{name}', but no value of that name was given"
            ))
        })
    };
    let bound = names.iter().map(value).collect::<Result<Vec<_>>>()?;
    match values.keys().find(|key| !names.iter().any(|name| bare(name.as_ref()) == Some(key.as_str()))) {
        Some(surplus) => {
            Err(Error::Usage(format!("a value named '{surplus}' was given, but the query has no :{surplus}")))
        }
        None => Ok(bound),
    }
}
