//! Record batches, format version 2 (magic 2).
