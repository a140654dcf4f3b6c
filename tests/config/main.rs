//! The configuration and the command line, as an operator meets them: through the program itself.

mod support; // a directory with files, a command to run in it

mod colors; // for people only
mod command_line; // what can be asked for, and how it ends
mod environment; // variables over files
mod misspellings; // which name was meant
mod mistakes; // what is refused, and what an operator is told
mod shipped; // the files that come with the program
