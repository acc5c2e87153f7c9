//! A test application, scriptable sellers over real HTTP, and the test clock.
