//! The world in a box: platters, links, clocks, faults, checks.
