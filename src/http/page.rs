//! The page: files of a directory, or the copy inside the binary where there is none.

use super::{Context, refusal::Refusal};
use crate::{config::PageSettings, logging::TARGET};
use actix_files::{NamedFile, file_extension_to_mime};
use actix_web::{
    HttpMessage, HttpRequest, HttpResponse, Resource,
    http::{
        StatusCode,
        header::{ETag, EntityTag, IfNoneMatch},
    },
    mime::{self, Mime},
    web,
};
use log::warn;
use rust_embed::{Embed, Metadata};
use std::{
    io,
    path::{Component, Path, PathBuf},
};

/// The copy.
#[derive(Embed)]
#[folder = "static/"]
struct BuiltIn;

/// The files of the page, to be read and nothing else. There is nothing to do with a file that does not exist.
pub fn resource(path: &str) -> Resource {
    let refuse = async |request, context| {
        file(request, context).await?;
        Err::<HttpResponse, _>(Refusal::MethodNotAllowed("GET, HEAD"))
    };
    web::resource(path)
        .route(web::get().to(file))
        .route(web::head().to(file))
        .default_service(web::to(refuse))
}

/// `GET /{file}`
pub async fn file(request: HttpRequest, context: web::Data<Context>) -> Result<HttpResponse, Refusal> {
    let name = match request.match_info().query("file") {
        "" => "index.html",
        name => name,
    };
    match &context.page {
        Some(directory) => from_directory(&request, directory, name),
        None => built_in(&request, name),
    }
}

/// The directory of the page if there is one, with all links in its own path resolved.
pub fn directory(settings: &PageSettings) -> Option<PathBuf> {
    let configured = &settings.directory;
    let found = configured.canonicalize().ok().filter(|path| path.is_dir());
    if found.is_none() && *settings != PageSettings::default() {
        warn!(
            target: TARGET,
            "page.directory {configured:?} is no directory, so the page inside the program is served; \
             create it and start again"
        );
    }
    found
}

fn from_directory(request: &HttpRequest, directory: &Path, name: &str) -> Result<HttpResponse, Refusal> {
    let path = resolve(directory, name).map_err(|_| Refusal::NotFound)?;
    let file = NamedFile::open(path).map_err(|_| Refusal::NotFound)?;
    let file = file.set_content_type(content_type(name)).disable_content_disposition();
    Ok(file.use_last_modified(false).into_response(request)) // its tag says more
}

/// The file `name` inside `directory`; neither `..`, nor a hidden name, nor a link leads out of it.
fn resolve(directory: &Path, name: &str) -> io::Result<PathBuf> {
    let plain = |part: Component| matches!(part, Component::Normal(part) if !part.as_encoded_bytes().starts_with(b"."));
    if !Path::new(name).components().all(plain) {
        return Err(io::ErrorKind::NotFound.into());
    }
    let path = directory.join(name).canonicalize()?;
    match path.starts_with(directory) && path.is_file() {
        true => Ok(path),
        false => Err(io::ErrorKind::NotFound.into()),
    }
}

/// Answers as `NamedFile` does.
fn built_in(request: &HttpRequest, name: &str) -> Result<HttpResponse, Refusal> {
    let file = BuiltIn::get(name).ok_or(Refusal::NotFound)?;
    let tag = tag(&file.metadata);
    let mut answer = HttpResponse::Ok();
    answer.insert_header(ETag(tag.clone())).content_type(content_type(name));
    Ok(match is_known(request, &tag) {
        true => answer.status(StatusCode::NOT_MODIFIED).finish(),
        false => answer.body(file.data),
    })
}

fn tag(file: &Metadata) -> EntityTag {
    let hash = file.sha256_hash();
    EntityTag::new_strong(hash[..8].iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether the browser has a copy of what `tag` stands for (RFC 9110 §13.1.2).
fn is_known(request: &HttpRequest, tag: &EntityTag) -> bool {
    match request.get_header::<IfNoneMatch>() {
        Some(IfNoneMatch::Any) => true,
        Some(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(tag)),
        None => false,
    }
}

fn content_type(name: &str) -> Mime {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
    let kind = file_extension_to_mime(extension.unwrap_or_default());
    match kind.type_() {
        mime::TEXT => format!("{kind}; charset=utf-8").parse().expect("a type and its parameter"),
        _ => kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::symlink};

    #[test]
    fn nothing_leads_out_of_the_directory() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "").unwrap();
        let page = tempfile::tempdir().unwrap();
        let directory = page.path().canonicalize().unwrap();
        fs::write(directory.join("index.html"), "").unwrap();
        fs::write(directory.join(".hidden"), "").unwrap();
        symlink(outside.path().join("secret"), directory.join("link")).unwrap();
        symlink(outside.path(), directory.join("folder")).unwrap();

        assert_eq!(resolve(&directory, "index.html").unwrap(), directory.join("index.html"));
        for name in
            ["../secret", "/etc/passwd", "link", "folder/secret", ".hidden", ".", "a/../../secret", "missing"]
        {
            assert!(resolve(&directory, name).is_err(), "{name}");
        }
    }
}
