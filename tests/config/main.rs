//! The configuration and the command line, as an operator meets them: through the program itself.

mod support; // a directory with files, a command to run in it

mod backplane; // the server that several nodes share
mod colors; // only on a terminal
mod deployment; // the files for several nodes, with the real programs
mod command_line; // commands, options and exit codes
mod environment; // variables over files
mod misspellings; // which name was meant
mod mistakes; // refused configurations
mod shipped; // shipped files
