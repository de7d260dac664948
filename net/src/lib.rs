//! Sockets, timers and the loop that turns the machine.
