//! What only the whole program can show: its shape, its clients, its death and its resurrection.
//!
//! One binary, so that the program is linked once. The broker under test is the real one, in a process of
//! its own.

mod answers;
mod broker;
mod clients;
mod commands;
mod crowd;
mod hostile;
mod kill;
mod record;
mod slow;
mod stop;
mod tidy;
mod wire;
