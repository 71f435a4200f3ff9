//! What the parts share.

use std::rc::Rc;

use crate::{
    chat::{Chat, policy::Policy},
    config::Config,
    contract::cookie::Secrets,
    engine::Engine,
    http::static_files::Files,
    js::Json,
    passwords::Passwords,
    store::Store,
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
        let secrets = Rc::new(Secrets::new(&config.session_secret));
        let policy = Policy::new(config.compat);
        let engine = Engine::new(&config);
        let chat = Chat::start(&config, secrets.clone(), engine.clone(), store.clone(), server_id);
        let files = config.client_dir.clone().map(Files::new);
        Rc::new(App { config, store, passwords, secrets, policy, links, files, engine, chat })
    }
}
