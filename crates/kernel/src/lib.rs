//! The words of the business: ids, money, time, codes.
