//! What the parts share.

use std::rc::Rc;

use crate::{
    chat::{
        Chat,
        policy::{Policy, origin::Origins},
    },
    config::Config,
    contract::cookie::Secrets,
    engine::Engine,
    http::{long::LongAnswers, static_files::Files},
    js::Json,
    limits::{self, Limits},
    passwords::Passwords,
    store::Store,
    tally::Tally,
};

/// One server: settings, store and services. Owned by the loop, never shared between threads.
pub struct App {
    /// The settings.
    pub config: Config,
    /// The store.
    pub store: Store,
    /// bcrypt, off the loop.
    pub passwords: Passwords,
    /// What signs session cookies.
    pub secrets: Rc<Secrets>,
    /// Who may see and do what.
    pub policy: Policy,
    /// Whose pages may open sockets.
    pub origins: Origins,
    /// What one client may use.
    pub limits: Limits,
    /// What long answers may take.
    pub long: LongAnswers,
    /// Requests that could not be served for the moment.
    pub unserved: Tally,
    /// Sessions that the store refused, and nobody needs.
    pub unstored: Tally,
    /// What `/links` answers with.
    pub links: Json,
    /// The client build, if one is served in the place of the built-in page.
    pub files: Option<Files>,
    /// The engine sessions.
    pub engine: Rc<Engine>,
    /// The chat on top of them.
    pub chat: Rc<Chat>,
}

impl App {
    /// Puts a server together. `server_id` is its name in announcements.
    pub fn new(
        config: Config,
        links: Json,
        store: Store,
        passwords: Passwords,
        server_id: String,
    ) -> Rc<App> {
        let policy = Policy::new(config.compat);
        let attributes = policy.cookie_attributes(config.cookie_secure);
        let secrets = Secrets::new(&config.session_secret).with_attributes(attributes);
        let secrets = Rc::new(secrets);
        let origins = Origins::new(config.compat, &config.allowed_origins, &config.trusted_proxies);
        let settings = policy.limits(&config.limits);
        let limits = Limits::new(settings, &config.trusted_proxies);
        let engine = Engine::new(
            &config.connections,
            policy.connect_timeout(config.connections.connect_timeout),
            settings.map(limits::events),
        );
        let chat = Chat::start(&config, secrets.clone(), engine.clone(), store.clone(), server_id);
        let long = LongAnswers::new(config.connections.answer_bytes);
        let files = config.client_dir.clone().map(Files::new);
        Rc::new(App {
            config,
            store,
            passwords,
            secrets,
            policy,
            origins,
            limits,
            long,
            unserved: Tally::default(),
            unstored: Tally::default(),
            links,
            files,
            engine,
            chat,
        })
    }
}
