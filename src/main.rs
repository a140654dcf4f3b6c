fn main() -> anyhow::Result<()> {
    let settings = worldcast::config::Settings::default();
    worldcast::logging::start(&settings.log);
    actix_web::rt::System::new().block_on(async {
        let server = worldcast::server::Server::start(settings)?;
        Ok(server.run_until_stopped().await?)
    })
}
