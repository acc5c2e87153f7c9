//! The main job on a seller's real server: what buyers live through, from order to release.

mod calls;
mod changes;
mod guards;
mod late;
mod opening;
mod races;
mod returns;
mod time;
