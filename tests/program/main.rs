//! The program from outside: its output, its files, its refusals and its exit statuses.

mod completions;
mod info;
mod support;
