//! A fake of EC2 for what a real server of its protocol does not do when it is asked to: refuse, lose an answer, be late to
//! describe. It speaks EC2's Query API over HTTP; its answers are shaped after the examples of
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Operations.html>, its errors after
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;

/// The parameters of a call.
pub(crate) type Parameters = BTreeMap<String, String>;

/// A machine.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) id: String,
    pub(crate) state: &'static str,
    pub(crate) launched: String,
    pub(crate) tags: BTreeMap<String, String>,
}

/// An error to come: of this action, with this status and code.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failure(pub(crate) &'static str, pub(crate) u16, pub(crate) &'static str);

/// What the fake knows.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) machines: Vec<Machine>,
    pub(crate) calls: Vec<Parameters>,
    pub(crate) failures: VecDeque<Failure>,
    /// Machines on a page, where there are pages.
    pub(crate) page: Option<usize>,
    /// What is described, where that is older than what is.
    pub(crate) described: Option<Vec<Machine>>,
    /// So many starts are done whose answers are lost.
    pub(crate) lost_answers: usize,
    tokens: HashMap<String, Vec<String>>,
}

/// A running fake; it ends with the test's runtime.
pub(crate) struct Fake {
    pub(crate) url: String,
    world: Arc<Mutex<World>>,
}

impl Fake {
    pub(crate) async fn start() -> Self {
        let world = Arc::new(Mutex::new(World::default()));
        let router = Router::new().route("/", post(answer)).with_state(Arc::clone(&world));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, world }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// How often this was asked for.
    pub(crate) fn count(&self, action: &str) -> usize {
        self.world().calls.iter().filter(|call| call["Action"] == action).count()
    }

    pub(crate) fn variable(&self) -> impl Fn(&str) -> Option<String> {
        let url = self.url.clone();
        move |name| match name {
            "AWS_ENDPOINT_URL_EC2" => Some(url.clone()),
            "AWS_REGION" => Some("eu-central-1".to_owned()),
            "AWS_ACCESS_KEY_ID" => Some("test-id".to_owned()),
            // As the original system called it.
            "AWS_ACCESS_KEY" => Some("test-secret".to_owned()),
            _ => None,
        }
    }
}

impl World {
    /// A machine that is prepared: switched off.
    pub(crate) fn prepare(&mut self, id: &str) {
        let (launched, tags) = ("2020-01-01T00:00:00.000Z".to_owned(), BTreeMap::new());
        self.machines.push(Machine { id: id.to_owned(), state: "stopped", launched, tags });
    }

    pub(crate) fn machine(&mut self, id: &str) -> &mut Machine {
        self.machines.iter_mut().find(|machine| machine.id == id).unwrap()
    }

    pub(crate) fn in_state(&self, state: &str) -> usize {
        self.machines.iter().filter(|machine| machine.state == state).count()
    }

    /// All that are in one state are in another one.
    pub(crate) fn all(&mut self, from: &str, to: &'static str) {
        self.machines
            .iter_mut()
            .filter(|machine| machine.state == from)
            .for_each(|machine| machine.state = to);
    }

    fn act(&mut self, call: &Parameters) -> Result<String, Failure> {
        let action = call["Action"].clone();
        if self.failures.front().is_some_and(|failure| failure.0 == action) {
            return Err(self.failures.pop_front().unwrap());
        }
        match &*action {
            "RunInstances" => self.run(call),
            "DescribeInstances" => self.describe(call),
            "CreateTags" => self.tag(call),
            "StartInstances" => self.change(call, "stopped", "pending"),
            "StopInstances" => self.change(call, "running", "stopping"),
            "TerminateInstances" => self.change(call, "running", "shutting-down"),
            _ => Err(Failure("InvalidAction", 400, "InvalidAction")),
        }
    }

    fn run(&mut self, call: &Parameters) -> Result<String, Failure> {
        let token = call["ClientToken"].clone();
        let count: usize = call["MaxCount"].parse().unwrap();
        let ids = self.tokens.get(&token).cloned().unwrap_or_else(|| self.make(call, count));
        self.tokens.insert(token, ids.clone());
        if self.lost_answers > 0 {
            self.lost_answers -= 1;
            return Err(Failure("RunInstances", 500, "InternalError"));
        }
        let made = self.machines.iter().filter(|machine| ids.contains(&machine.id));
        let items: String = made.map(item).collect();
        Ok(format!("<reservationId>r-1</reservationId><instancesSet>{items}</instancesSet>"))
    }

    fn make(&mut self, call: &Parameters, count: usize) -> Vec<String> {
        let tags: BTreeMap<String, String> = (1..)
            .map_while(|number| {
                call.get(&format!("TagSpecification.1.Tag.{number}.Key")).map(|key| (number, key))
            })
            .map(|(number, key)| {
                (key.clone(), call[&format!("TagSpecification.1.Tag.{number}.Value")].clone())
            })
            .collect();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let now = chrono::DateTime::from_timestamp(i64::try_from(now).unwrap(), 0).unwrap().to_rfc3339();
        let first = self.machines.len();
        let ids: Vec<String> = (first..first + count).map(|number| format!("i-{number:04}")).collect();
        self.machines.extend(ids.iter().map(|id| Machine {
            id: id.clone(),
            state: "pending",
            launched: now.clone(),
            tags: tags.clone(),
        }));
        ids
    }

    fn describe(&self, call: &Parameters) -> Result<String, Failure> {
        let all = self.described.as_ref().unwrap_or(&self.machines);
        let ids = listed(call, "InstanceId");
        if ids.iter().any(|id| all.iter().all(|machine| machine.id != *id)) {
            return Err(Failure("DescribeInstances", 400, "InvalidInstanceID.NotFound"));
        }
        let found: Vec<&Machine> = all.iter().filter(|machine| is_meant(machine, &ids, call)).collect();
        let from: usize = call.get("NextToken").map_or(0, |token| token.parse().unwrap());
        let until = self.page.map_or(found.len(), |page| (from + page).min(found.len()));
        let items: String = found[from..until].iter().map(|machine| item(machine)).collect();
        let mut text = format!(
            "<reservationSet><item><reservationId>r-1</reservationId><instancesSet>{items}</instancesSet></item>\
             </reservationSet>"
        );
        if until < found.len() {
            write!(text, "<nextToken>{until}</nextToken>").unwrap();
        }
        Ok(text)
    }

    fn tag(&mut self, call: &Parameters) -> Result<String, Failure> {
        let (key, value) = (call["Tag.1.Key"].clone(), call["Tag.1.Value"].clone());
        for id in listed(call, "ResourceId") {
            self.machine(&id).tags.insert(key.clone(), value.clone());
        }
        Ok("<return>true</return>".to_owned())
    }

    fn change(&mut self, call: &Parameters, from: &str, to: &'static str) -> Result<String, Failure> {
        for id in listed(call, "InstanceId") {
            let machine = self.machine(&id);
            if machine.state == from {
                machine.state = to;
            }
        }
        Ok("<instancesSet/>".to_owned())
    }
}

/// Whether the ids and the filters of a call mean this machine.
fn is_meant(machine: &Machine, ids: &[String], call: &Parameters) -> bool {
    let filters = (1..).map_while(|number| {
        let name = call.get(&format!("Filter.{number}.Name"))?;
        Some((name.clone(), listed(call, &format!("Filter.{number}.Value"))))
    });
    let mut held = filters.map(|(name, values)| match name.strip_prefix("tag:") {
        Some(key) => machine.tags.get(key).is_some_and(|value| values.contains(value)),
        None => values.iter().any(|value| value == machine.state),
    });
    (ids.is_empty() || ids.contains(&machine.id)) && held.all(|held| held)
}

fn listed(call: &Parameters, name: &str) -> Vec<String> {
    (1..).map_while(|number| call.get(&format!("{name}.{number}")).cloned()).collect()
}

fn item(machine: &Machine) -> String {
    let Machine { id, state, launched, tags } = machine;
    let tags: String = tags
        .iter()
        .map(|(key, value)| format!("<item><key>{key}</key><value>{value}</value></item>"))
        .collect();
    format!(
        "<item><instanceId>{id}</instanceId><imageId>ami-1</imageId><instanceState><code>0</code><name>{state}</name>\
         </instanceState><launchTime>{launched}</launchTime><tagSet>{tags}</tagSet></item>"
    )
}

async fn answer(State(world): State<Arc<Mutex<World>>>, headers: HeaderMap, body: String) -> Response {
    let call: Parameters = body.split('&').filter_map(|pair| pair.split_once('=')).map(decoded).collect();
    let signed = headers.get("authorization").is_some_and(|value| {
        let value = value.to_str().unwrap();
        value.starts_with("AWS4-HMAC-SHA256 Credential=test-id/")
            && value.contains("/eu-central-1/ec2/aws4_request")
    });
    let mut world = world.lock().unwrap();
    world.calls.push(call.clone());
    let action = &call["Action"];
    let done = if signed { world.act(&call) } else { Err(Failure("", 401, "AuthFailure")) };
    match done {
        Ok(inner) => format!("<{action}Response>{inner}</{action}Response>").into_response(),
        Err(Failure(_, status, code)) => {
            let text = format!(
                "<?xml version=\"1.0\"?><Response><Errors><Error><Code>{code}</Code><Message>because</Message></Error>\
                 </Errors><RequestID>1</RequestID></Response>"
            );
            (StatusCode::from_u16(status).unwrap(), text).into_response()
        }
    }
}

fn decoded((name, value): (&str, &str)) -> (String, String) {
    let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
    (decode(name), decode(value))
}
