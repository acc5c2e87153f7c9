//! Telling how far a long reading walk has come, while it goes on on a database thread.

use db::{Db, Result, Tx};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// Where a walk says how many rows it has checked so far.
pub(crate) type Steps = UnboundedSender<i64>;

/// Reads with `walk`, telling `progress` what the walk says, in its order, up to its last word.
pub(crate) async fn told<T, F>(db: &Db, mut progress: impl FnMut(i64), walk: F) -> Result<T>
where
    T: Send + 'static,
    F: AsyncFn(&mut Tx, &Steps) -> Result<T> + Send + 'static,
{
    let (sender, mut steps) = unbounded_channel();
    let walk = db.read(async move |tx| walk(tx, &sender).await);
    tokio::pin!(walk);
    loop {
        tokio::select! {
            biased;
            Some(checked) = steps.recv() => progress(checked),
            found = &mut walk => {
                // The walk's last words may have come with its end.
                while let Ok(checked) = steps.try_recv() {
                    progress(checked);
                }
                return found;
            }
        }
    }
}
