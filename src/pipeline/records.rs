//! To be written over domain/report.rs.
