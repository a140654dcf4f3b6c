//! Events of the backplane.

use super::Hub;
use crate::backplane::FromLink;
use actix::prelude::*;

impl Handler<FromLink> for Hub {
    type Result = ();

    fn handle(&mut self, _: FromLink, _: &mut Self::Context) {}
}
