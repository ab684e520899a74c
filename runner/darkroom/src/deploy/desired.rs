//! What to change so that a cloud holds what is wanted: a value, printed by `plan` and compared by tests. Pure.
