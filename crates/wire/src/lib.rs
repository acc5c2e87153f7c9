//! Contracts with the outside as pure functions: fulfilment dialects, signing, result codes.
