//! The client library in its two versions behind one face: MQTT 3.1.1 and 5 differ in types, not in what is done here.
use super::{Message, Publication, Qos, Will};
use crate::config::{BrokerSetup, MqttVersion};
use crate::net::trouble::trouble;
use crate::sink::{Step, Trouble};
use rustls::ClientConfig;
use std::sync::Arc;

/// Packets that wait for their acknowledgement: what Mosquitto takes from one client at once.
pub(super) const IN_FLIGHT_MAX: u16 = 20;

/// Longest packet either way: the discovery of a meter with hundreds of registers is some 100 kB.
const PACKET_LEN_MAX: u32 = 1 << 20;

/// Where packets to be sent go.
#[derive(Clone)]
pub(super) enum Client {
    V4(rumqttc_v4::AsyncClient),
    V5(rumqttc_v5::AsyncClient),
}

/// What drives the connection.
pub(super) enum EventLoop {
    V4(Box<rumqttc_v4::EventLoop>),
    V5(Box<rumqttc_v5::EventLoop>),
}

/// What happens on a connection and matters here.
pub(super) enum Happening {
    /// The broker accepts us.
    Accepted,
    /// It hands over a message.
    Message(Message),
}

/// What will come of a publication.
pub(super) enum Notice {
    V4(rumqttc_v4::PublishNotice),
    V5(rumqttc_v5::PublishNotice),
}

/// What the broker says of a publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is the broker's now.
    Taken,
    /// It will never take this one.
    Refused(String),
    /// Not now.
    NotNow(String),
    /// The connection ended before it said anything.
    None,
}

/// A client and what drives it; nothing is sent before it is driven.
pub(super) fn client(
    setup: &BrokerSetup,
    will: Option<Will>,
    tls: Option<Arc<ClientConfig>>,
) -> Result<(Client, EventLoop), Trouble> {
    let keep_alive = u16::try_from(setup.keep_alive.as_secs()).unwrap_or(u16::MAX);
    let (host, port) = (setup.endpoint.host.as_str(), setup.endpoint.port);
    let login = setup.endpoint.login.as_ref();
    let name = login.map(|login| login.username.clone());
    let password =
        login.and_then(|login| login.password.as_ref()).map(|password| password.expose().to_owned());
    let wrong = |error: String| Trouble::new(Step::Connect, error);
    match setup.version {
        MqttVersion::V311 => {
            let broker = rumqttc_v4::Broker::tcp(host, port);
            let mut options = rumqttc_v4::MqttOptions::new(setup.client_id.clone(), broker);
            let len = usize::try_from(PACKET_LEN_MAX).unwrap_or(usize::MAX);
            options.set_keep_alive(keep_alive).set_clean_session(true).set_inflight(IN_FLIGHT_MAX);
            options.set_max_packet_size(len, len);
            if let Some(Will { topic, payload }) = will {
                let qos = rumqttc_v4::QoS::AtLeastOnce;
                options.set_last_will(rumqttc_v4::LastWill::new(topic, payload, qos, true));
            }
            match (name, password) {
                (Some(name), Some(password)) => _ = options.set_credentials(name, password),
                (Some(name), None) => _ = options.set_username(name),
                (None, _) => {}
            }
            if let Some(tls) = tls {
                let tls = rumqttc_v4::TlsConfiguration::Rustls(tls);
                options.set_transport(rumqttc_v4::Transport::tls_with_config(tls));
            }
            let (client, events) = rumqttc_v4::AsyncClient::builder(options)
                .capacity(usize::from(IN_FLIGHT_MAX))
                .try_build()
                .map_err(|error| wrong(error.to_string()))?;
            Ok((Client::V4(client), EventLoop::V4(Box::new(events))))
        }
        MqttVersion::V5 => {
            let broker = rumqttc_v5::Broker::tcp(host, port);
            let mut options = rumqttc_v5::MqttOptions::new(setup.client_id.clone(), broker);
            options.set_keep_alive(keep_alive).set_clean_start(true);
            options.set_outgoing_inflight_upper_limit(IN_FLIGHT_MAX);
            options.set_max_packet_size(Some(PACKET_LEN_MAX));
            if let Some(Will { topic, payload }) = will {
                let qos = rumqttc_v5::QoS::AtLeastOnce;
                options.set_last_will(rumqttc_v5::LastWill::new(topic, payload, qos, true, None));
            }
            match (name, password) {
                (Some(name), Some(password)) => _ = options.set_credentials(name, password),
                (Some(name), None) => _ = options.set_username(name),
                (None, _) => {}
            }
            if let Some(tls) = tls {
                let tls = rumqttc_v5::TlsConfiguration::Rustls(tls);
                options.set_transport(rumqttc_v5::Transport::tls_with_config(tls));
            }
            let (client, events) = rumqttc_v5::AsyncClient::builder(options)
                .capacity(usize::from(IN_FLIGHT_MAX))
                .try_build()
                .map_err(|error| wrong(error.to_string()))?;
            Ok((Client::V5(client), EventLoop::V5(Box::new(events))))
        }
    }
}

impl Client {
    /// Hands over a publication, waiting for room; `None` when the connection has ended.
    pub(super) async fn publish(&self, publication: &Publication) -> Option<Notice> {
        let (topic, payload) = (publication.topic.clone(), publication.payload.clone());
        match self {
            Self::V4(client) => {
                let qos = match publication.qos {
                    Qos::AtMostOnce => rumqttc_v4::QoS::AtMostOnce,
                    Qos::AtLeastOnce => rumqttc_v4::QoS::AtLeastOnce,
                };
                let options = rumqttc_v4::PublishOptions::new(qos).retain(publication.retain);
                client.publish_tracked(topic, payload, options).await.ok().map(Notice::V4)
            }
            Self::V5(client) => {
                let qos = match publication.qos {
                    Qos::AtMostOnce => rumqttc_v5::QoS::AtMostOnce,
                    Qos::AtLeastOnce => rumqttc_v5::QoS::AtLeastOnce,
                };
                let options = rumqttc_v5::PublishOptions::new(qos).retain(publication.retain);
                client.publish_tracked(topic, payload, options).await.ok().map(Notice::V5)
            }
        }
    }

    /// Subscribes and waits until the broker says yes; false when it does not.
    pub(super) async fn subscribe(&self, topic: &str) -> bool {
        match self {
            Self::V4(client) => {
                let Ok(notice) = client.subscribe_tracked(topic, rumqttc_v4::QoS::AtLeastOnce).await else {
                    return false;
                };
                notice.wait_completion_async().await.is_ok()
            }
            Self::V5(client) => {
                let Ok(notice) = client.subscribe_tracked(topic, rumqttc_v5::QoS::AtLeastOnce).await else {
                    return false;
                };
                notice.wait_completion_async().await.is_ok()
            }
        }
    }

    /// Says good-bye after all that was handed over.
    pub(super) async fn disconnect(&self) {
        match self {
            Self::V4(client) => _ = client.disconnect().await,
            Self::V5(client) => _ = client.disconnect().await,
        }
    }
}

impl Notice {
    /// Waits for what the broker says.
    pub(super) async fn answer(self) -> Answer {
        use rumqttc_v5::{PubAckReason, PublishResult};
        match self {
            Self::V4(notice) => match notice.wait_async().await {
                Ok(_) => Answer::Taken,
                Err(_) => Answer::None,
            },
            Self::V5(notice) => match notice.wait_async().await {
                Ok(PublishResult::Qos1(ack)) => match ack.reason {
                    // 16 says that nobody listens at present.
                    PubAckReason::Success | PubAckReason::NoMatchingSubscribers => Answer::Taken,
                    reason @ (PubAckReason::TopicNameInvalid | PubAckReason::PayloadFormatInvalid) => {
                        Answer::Refused(format!("the broker refuses it: {reason:?}"))
                    }
                    reason => Answer::NotNow(format!("the broker does not take it: {reason:?}")),
                },
                Ok(_) => Answer::Taken,
                Err(rumqttc_v5::PublishNoticeError::RetainNotSupported) => {
                    Answer::NotNow("the broker keeps no retained messages".to_owned())
                }
                Err(_) => Answer::None,
            },
        }
    }
}

impl EventLoop {
    /// Goes on until something happens that matters; an error ends the connection for good.
    pub(super) async fn next(&mut self) -> Result<Happening, Trouble> {
        loop {
            match self {
                Self::V4(events) => {
                    use rumqttc_v4::{Event, Packet};
                    match events.poll().await.map_err(|error| trouble_v4(&error))? {
                        Event::Incoming(Packet::ConnAck(_)) => return Ok(Happening::Accepted),
                        Event::Incoming(Packet::Publish(publish)) => {
                            return Ok(Happening::Message(Message::new(&publish.topic, &publish.payload)));
                        }
                        _ => {}
                    }
                }
                Self::V5(events) => {
                    use rumqttc_v5::{Event, Packet};
                    match events.poll().await.map_err(|error| trouble_v5(&error))? {
                        Event::Incoming(Packet::ConnAck(_)) => return Ok(Happening::Accepted),
                        Event::Incoming(Packet::Publish(publish)) => {
                            return Ok(Happening::Message(Message::new(&publish.topic, &publish.payload)));
                        }
                        _ => {}
                    }
                }
            }
        }
    }
}

fn trouble_v4(error: &rumqttc_v4::ConnectionError) -> Trouble {
    use rumqttc_v4::{ConnectReturnCode as Code, ConnectionError as E};
    match error {
        E::ConnectionRefused(code) => refused(&match code {
            Code::RefusedProtocolVersion => "it does not speak MQTT 3.1.1; try `version = \"5\"`".to_owned(),
            Code::BadUserNamePassword | Code::NotAuthorized => WRONG_LOGIN.to_owned(),
            other => format!("{other:?}"),
        }),
        E::NetworkTimeout | E::FlushTimeout => no_answer(),
        other => trouble(other, Step::Connect),
    }
}

fn trouble_v5(error: &rumqttc_v5::ConnectionError) -> Trouble {
    use rumqttc_v5::{ConnectReturnCode as Code, ConnectionError as E};
    match error {
        E::ConnectionRefused(code) => refused(&match code {
            Code::RefusedProtocolVersion | Code::UnsupportedProtocolVersion => {
                "it does not speak MQTT 5; try `version = \"3.1.1\"`".to_owned()
            }
            Code::BadUserNamePassword | Code::NotAuthorized => WRONG_LOGIN.to_owned(),
            other => format!("{other:?}"),
        }),
        E::Timeout(_) => no_answer(),
        // A read that failed, such as with an alert for our certificate: the library names no source here.
        E::MqttState(rumqttc_v5::StateError::Deserialization(rumqttc_v5::Error::Io(error))) => {
            trouble(error, Step::Connect)
        }
        other => trouble(other, Step::Connect),
    }
}

const WRONG_LOGIN: &str = "check `username` and `password`";

fn refused(why: &str) -> Trouble {
    Trouble::new(Step::Login, format!("the broker refuses us: {why}"))
}

fn no_answer() -> Trouble {
    Trouble::new(Step::Connect, "the broker gives no answer in time")
}
