//! The parameters in the query of a request.

use super::refusal::Refusal;
use actix_web::{HttpRequest, web};
use std::{collections::HashMap, str::FromStr};

/// The parameters of a request, each at most once.
pub struct Query(HashMap<String, String>);

impl Query {
    /// Parses the query of `request`.
    ///
    /// # Errors
    /// [`Refusal::Query`] if a parameter occurs twice or is not well encoded.
    pub fn of(request: &HttpRequest) -> Result<Self, Refusal> {
        let pairs = web::Query::<Vec<(String, String)>>::from_query(request.query_string())
            .map_err(|_| Refusal::Query("the query is not well encoded".to_owned()))?;
        let mut query = HashMap::new();
        for (name, value) in pairs.into_inner() {
            if query.contains_key(&name) {
                return Err(Refusal::Query(format!("{name} is there twice")));
            }
            query.insert(name, value);
        }
        Ok(Self(query))
    }

    /// Returns true if the parameter is present.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Returns the parameter `name`, if it is present.
    ///
    /// # Errors
    /// [`Refusal::Query`] if it cannot be parsed; the sentence contains `must_be`.
    pub fn get<T: FromStr>(&self, name: &str, must_be: &str) -> Result<Option<T>, Refusal> {
        let parsed = self.0.get(name).map(|value| value.parse());
        parsed.transpose().map_err(|_| Refusal::Query(format!("{name} must be {must_be}")))
    }
}
