//! The doors as a client finds them: a real server on the loopback, a real database.
#![allow(clippy::unwrap_used, missing_docs)]

mod account_pages;
mod accounts;
mod browser;
mod buyer_pages;
mod buying;
mod contract;
mod doors;
mod every_page;
mod everything;
mod exports;
mod foundation;
mod mail;
mod money;
mod operator_pages;
mod pages;
mod people;
mod seller_pages;
mod selling;
mod storefront_pages;
mod support;
