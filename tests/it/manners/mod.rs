//! How receivers are called: at their own pace, with the tenant's headers and certificate, through the operator's
//! proxy.

mod ceiling;
mod certificate;
mod headers;
mod proxy;
mod rate;
