//! How a metric is declared: its doc comment is its help text, so that neither is ever without the other.

use prometheus::core::Collector;
use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
};

pub(super) const PREFIX: &str = "user_purge_sync_";

/// From a point read to an outage of some hours.
const SECONDS: [f64; 18] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 10800.0];

/// A kind of metric that can be made from its options.
pub(super) trait Kind: Sized + Clone + Collector + 'static {
    fn build(opts: Opts, labels: &[&str]) -> prometheus::Result<Self>;
}

macro_rules! kinds {
    ($($plain:ty)*; $($labelled:ty)*) => {
        $(impl Kind for $plain {
            fn build(opts: Opts, _: &[&str]) -> prometheus::Result<Self> {
                Self::with_opts(opts)
            }
        })*
        $(impl Kind for $labelled {
            fn build(opts: Opts, labels: &[&str]) -> prometheus::Result<Self> {
                Self::new(opts, labels)
            }
        })*
    };
}

kinds!(Gauge IntCounter IntGauge; IntCounterVec IntGaugeVec prometheus::GaugeVec);

impl Kind for Histogram {
    fn build(opts: Opts, _: &[&str]) -> prometheus::Result<Self> {
        Self::with_opts(HistogramOpts::from(opts).buckets(SECONDS.to_vec()))
    }
}

impl Kind for HistogramVec {
    fn build(opts: Opts, labels: &[&str]) -> prometheus::Result<Self> {
        Self::new(HistogramOpts::from(opts).buckets(SECONDS.to_vec()), labels)
    }
}

/// Declares the struct, its constructor (registered, but without any labelled value yet) and its reference.
macro_rules! metrics {
    (
        $(#[$attribute:meta])*
        pub struct $struct:ident {
            $(#[doc = $help:literal] $field:ident: $kind:ident[$($label:literal),*],)*
        }
    ) => {
        $(#[$attribute])*
        pub struct $struct {
            registry: prometheus::Registry,
            $(#[doc = $help] $field: prometheus::$kind,)*
        }

        impl $struct {
            fn register() -> prometheus::Result<Self> {
                let registry = prometheus::Registry::new();
                $(
                    let name = concat!(stringify!($field));
                    let opts = prometheus::Opts::new(format!("{}{name}", define::PREFIX), $help.trim());
                    let $field = <prometheus::$kind as define::Kind>::build(opts, &[$($label),*])?;
                    registry.register(Box::new($field.clone()))?;
                )*
                Ok(Self { registry, $($field),* })
            }

            /// Name, labels and help of every metric.
            #[cfg(test)]
            fn reference() -> Vec<(String, Vec<&'static str>, &'static str)> {
                vec![$((format!("{}{}", define::PREFIX, stringify!($field)), vec![$($label),*], $help.trim())),*]
            }
        }
    };
}
pub(super) use metrics;
