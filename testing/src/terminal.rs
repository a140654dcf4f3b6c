//! A terminal of its own, for programs that behave otherwise on one.

use rustix::{
    fs::{Mode, OFlags, open},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};
use std::{fs::File, os::fd::OwnedFd};

/// The side of a terminal that people look at, and the side that programs write to.
///
/// # Panics
/// If the system has no terminal left.
pub fn terminal() -> (File, OwnedFd) {
    let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&screen).expect("a terminal of this user");
    unlockpt(&screen).expect("an unlocked terminal");
    let name = ptsname(&screen, Vec::new()).expect("the name of the terminal");
    let flags = OFlags::RDWR | OFlags::NOCTTY;
    (screen.into(), open(name, flags, Mode::empty()).expect("the other side"))
}
