//! `yunshi sample-seller`.

use anyhow::Context;
use sample_seller::{Opening, Seller, Settings};
use tokio::net::TcpListener;
use wire::koogallery_v2::AccessKey;

use crate::{cli::SampleSellerArgs, failure::Failure, stop::Stop};

pub(super) async fn run(args: SampleSellerArgs) -> Result<(), Failure> {
    let stop = Stop::on_signals().context("cannot listen to signals")?;
    let listener = TcpListener::bind(args.listen).await.with_context(|| format!("cannot listen on {}", args.listen))?;
    let address = listener.local_addr().context("the listener has no address")?;
    let site_url = args.site_url.unwrap_or_else(|| format!("http://{address}"));
    let settings = Settings {
        opening: args.polls.map_or(Opening::AtOnce, Opening::After),
        state_file: args.state,
        ..Settings::new(AccessKey::new(args.access_key), site_url.trim_end_matches('/'))
    };
    let seller = Seller::new(settings).context("the seller cannot start")?;
    tracing::info!(
        %address,
        instances = seller.instances().len(),
        "the sample seller is open; register http://{address}/saasproduce as its production address"
    );
    tokio::select! {
        served = seller.serve(listener) => served.context("serving ended with a fault")?,
        // Every answer that was given is written down, so there is nothing to finish.
        () = stop.wait() => {}
    }
    Ok(())
}
