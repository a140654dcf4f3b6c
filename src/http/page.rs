//! The page: files of `page.directory`, or those built into the program if it is empty or missing.

use super::{AppState, held_body::hold_until_sent, refusal::Refusal};
use crate::logging::{Escaped, REPEATING, TARGET};
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
use log::{error, info, warn};
use rust_embed::{Embed, Metadata};
use rustix::io::Errno;
use std::{
    io,
    path::{Component, Path, PathBuf},
};

/// The files built into the program.
#[derive(Embed)]
#[folder = "static/"]
struct BuiltIn;

/// The files of the page, for GET and HEAD only. A missing file gets 404 for any method.
pub fn resource(path: &str) -> Resource {
    let refuse = async |request, state| {
        file(request, state).await?;
        Err::<HttpResponse, _>(Refusal::MethodNotAllowed("GET, HEAD"))
    };
    web::resource(path)
        .route(web::get().to(file))
        .route(web::head().to(file))
        .default_service(web::to(refuse))
}

/// Handles `GET /{file}`.
///
/// # Errors
/// [`Refusal::NotFound`] without such a file, [`Refusal::Busy`] while file descriptors are short,
/// [`Refusal::Precondition`] or [`Refusal::Range`] where the request has a condition or a range
/// that the file does not meet, and [`Refusal::File`] if the file cannot be read.
pub async fn file(request: HttpRequest, state: web::Data<AppState>) -> Result<HttpResponse, Refusal> {
    let name = match request.match_info().query("file") {
        "" => "index.html",
        name => name,
    };
    match &state.page {
        Some(directory) => {
            let descriptor = state.shared.limits.descriptors.file().ok_or(Refusal::Busy)?;
            Ok(hold_until_sent(descriptor, from_directory(&request, directory, name)?))
        }
        None => built_in(&request, name),
    }
}

/// Returns `page.directory` as `configured`, if it exists, with all links in its own path resolved.
/// Logs the source of the page.
pub fn directory(configured: &Path) -> Option<PathBuf> {
    let configured = Some(configured).filter(|configured| !configured.as_os_str().is_empty());
    let directory = configured.and_then(existing_directory);
    match &directory {
        Some(directory) => {
            info!(target: TARGET, "page: the files of {}", Escaped(&directory.to_string_lossy()));
        }
        None => info!(target: TARGET, "page: the page in the program"),
    }
    directory
}

fn existing_directory(configured: &Path) -> Option<PathBuf> {
    let found = configured.canonicalize().and_then(|path| Ok(path.metadata()?.is_dir().then_some(path)));
    let is_missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    if let Err(error) = &found
        && !is_missing(error)
    {
        warn!(target: TARGET, "page.directory {configured:?}: {error}, so the page inside the program is served");
        return None;
    }
    let found = found.ok().flatten();
    if found.is_none() {
        warn!(
            target: TARGET,
            "page.directory {configured:?} is no directory, so the page inside the program is served; \
             create it and start again"
        );
    }
    found
}

fn from_directory(request: &HttpRequest, directory: &Path, name: &str) -> Result<HttpResponse, Refusal> {
    let path = resolve(directory, name).map_err(|error| refusal_of(&error, name))?;
    let file = NamedFile::open(path).map_err(|error| refusal_of(&error, name))?;
    let length = file.metadata().len();
    let file = file.set_content_type(content_type(name)).disable_content_disposition();
    let response = file.use_last_modified(false).into_response(request); // the entity tag is more precise
    match response.status() {
        StatusCode::PRECONDITION_FAILED => Err(Refusal::Precondition),
        StatusCode::RANGE_NOT_SATISFIABLE => Err(Refusal::Range(length)),
        _ => Ok(response),
    }
}

/// Converts `error`: a missing file is an error of the client; any other error is the server's and
/// is logged.
fn refusal_of(error: &io::Error, name: &str) -> Refusal {
    use io::ErrorKind::*;
    if matches!(error.kind(), NotFound | NotADirectory | IsADirectory | InvalidInput | InvalidFilename) {
        return Refusal::NotFound;
    }
    error!(target: REPEATING, "cannot read {} of page.directory: {error}", Escaped(name));
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN) => Refusal::Busy,
        _ => Refusal::File,
    }
}

/// Returns the path of the file `name` inside `directory`; neither `..`, nor a hidden name, nor a
/// link leads out of it.
fn resolve(directory: &Path, name: &str) -> io::Result<PathBuf> {
    let plain = |part: Component| matches!(part, Component::Normal(part) if !part.as_encoded_bytes().starts_with(b"."));
    if !Path::new(name).components().all(plain) {
        return Err(io::ErrorKind::NotFound.into());
    }
    let path = directory.join(name).canonicalize()?;
    match path.starts_with(directory) && path.metadata()?.is_file() {
        true => Ok(path),
        false => Err(io::ErrorKind::NotFound.into()),
    }
}

/// Responds as `NamedFile` does.
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

/// Returns true if the browser has a current copy of the file with `tag` (RFC 9110 §13.1.2).
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
    use actix_web::ResponseError;
    use std::{fs, os::unix::fs::symlink};

    #[test]
    fn only_what_is_not_there_is_not_found() {
        let refusal = |errno: Errno| refusal_of(&errno.into(), "index.html").status_code().as_u16();
        for errno in [Errno::NOENT, Errno::NOTDIR, Errno::NAMETOOLONG, Errno::INVAL] {
            assert_eq!(refusal(errno), 404, "{errno}");
        }
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOMEM] {
            assert_eq!(refusal(errno), 503, "{errno}: it passes");
        }
        for errno in [Errno::ACCESS, Errno::PERM, Errno::IO, Errno::LOOP, Errno::STALE] {
            assert_eq!(refusal(errno), 500, "{errno}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_differs_from_one_that_is_missing() {
        let page = tempfile::tempdir().unwrap();
        let directory = page.path().canonicalize().unwrap();
        symlink("loop", directory.join("loop")).unwrap();
        let status = |name| refusal_of(&resolve(&directory, name).unwrap_err(), name).status_code().as_u16();
        assert_eq!((status("loop"), status("missing")), (500, 404));
        assert_eq!((status(&"x".repeat(300)), status("nul\0")), (404, 404));
    }

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
