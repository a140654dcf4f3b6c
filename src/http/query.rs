//! What a client may ask for in the query of its address.

use super::refusal::Refusal;
use actix_web::{HttpRequest, web};
use std::{collections::HashMap, str::FromStr};

/// The wishes that were uttered; each may be uttered once.
pub struct Query(HashMap<String, String>);

impl Query {
    /// # Errors
    /// [`Refusal::Query`] if a wish is there twice or not encoded well.
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

    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The wish of this name, if there is one.
    ///
    /// # Errors
    /// [`Refusal::Query`] with the name and what it `must_be`.
    pub fn get<T: FromStr>(&self, name: &str, must_be: &str) -> Result<Option<T>, Refusal> {
        let parsed = self.0.get(name).map(|wish| wish.parse());
        parsed.transpose().map_err(|_| Refusal::Query(format!("{name} must be {must_be}")))
    }
}
