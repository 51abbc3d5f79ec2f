//! The worker as a program, against the real stack. A missing service fails these tests.

mod scene;
mod systems;
