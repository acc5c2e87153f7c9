//! The database seam: one SQL text on two engines, and the job table.
