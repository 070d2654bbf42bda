//! An HTTP client that reads no answer without end: the SDK would collect a body of any length.

use aws_sdk_rekognition::config::SharedHttpClient;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;

/// Longest body that is read. Rekognition's have some hundreds of kilobytes at the most.
const MOST_BYTES: usize = 8 << 20;

/// Another client, whose answers have at most 8 MiB.
#[derive(Debug)]
pub(crate) struct Bounded(pub(crate) SharedHttpClient);

impl HttpClient for Bounded {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(BoundedConnector(self.0.http_connector(settings, components)))
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.0.connector_metadata()
    }
}

#[derive(Debug)]
struct BoundedConnector(SharedHttpConnector);

impl HttpConnector for BoundedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.0.call(request);
        HttpConnectorFuture::new(async move { read(answer.await?).await })
    }
}

/// The answer with its whole body.
async fn read(mut response: HttpResponse) -> Result<HttpResponse, ConnectorError> {
    let body = response.take_body();
    let bytes = match collect(body).await {
        Ok(bytes) => bytes,
        Err(error) if response.status().is_success() => return Err(error),
        // Its status says enough, and that no bill is sent.
        Err(_) => Vec::new(),
    };
    *response.body_mut() = SdkBody::from(bytes);
    Ok(response)
}

async fn collect(body: SdkBody) -> Result<Vec<u8>, ConnectorError> {
    let mut stream = ByteStream::new(body);
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| ConnectorError::io(error.into()))?;
        if chunk.len() > MOST_BYTES.saturating_sub(bytes.len()) {
            return Err(ConnectorError::io(format!("the answer has more than {MOST_BYTES} bytes").into()));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
