//! The monthly CSV files: listed with the space of their disk, fetched, deleted, put in.
use crate::config::{SinkKind, SinkSetup};
use crate::sink::shelf::{LEN_MAX, Listed, Receiving, Shelf, ShelfError, Space};
use crate::web::Site;
use crate::web::access::{Role, Visitor};
use crate::web::frame::{frame, problem, size};
use crate::web::text::Language;
use axum::extract::multipart::{Field, Multipart};
use axum::extract::{Extension, Form, Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use std::sync::Arc;
use tower_http::services::ServeFile;

/// The files that a sink writes of one meter.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    sink: Arc<str>,
    meter: Arc<str>,
    shelf: Shelf,
}

/// Largest body of an upload: a file, and what a browser writes around it.
pub(in crate::web) const BODY_MAX: u64 = LEN_MAX + (1 << 20);

/// The folders of all sinks that write such files.
pub(crate) fn folders(sinks: &[SinkSetup], meters: &[&str]) -> Vec<Folder> {
    let mut folders = Vec::new();
    for sink in sinks {
        let SinkKind::Csv(setup) = &sink.kind else { continue };
        let wanted: Vec<&&str> = meters.iter().filter(|name| sink.selection.wants_meter(name)).collect();
        for meter in &wanted {
            // Of several meters each has a folder of its own.
            let alone = wanted.len() == 1;
            let directory = if alone { setup.directory.clone() } else { setup.directory.join(meter) };
            folders.push(Folder {
                sink: sink.name.as_str().into(),
                meter: (**meter).into(),
                shelf: Shelf::new(directory),
            });
        }
    }
    folders
}

/// The page.
pub(in crate::web) async fn page(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
) -> Response {
    show(&site, &visitor, StatusCode::OK, None).await
}

async fn show(site: &Site, visitor: &Visitor, status: StatusCode, wrong: Option<String>) -> Response {
    let folders = site.folders.clone();
    // A disk may take its time.
    let looked = tokio::task::spawn_blocking(move || {
        folders
            .into_iter()
            .map(|folder| (folder.shelf.list(), folder.shelf.space(), folder))
            .collect::<Vec<_>>()
    });
    let Ok(looked) = looked.await else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let say = |name: &str| visitor.language.say(name);
    let content = html! {
        h1 { (say("files-title")) }
        (problem(wrong.as_deref()))
        @if looked.is_empty() { p { (say("files-none")) } }
        @for (listed, space, folder) in looked {
            section.card {
                h2 { (folder.sink) " \u{b7} " (folder.meter) }
                @if let Some(space) = space { p.about { (space_text(space, visitor.language)) } }
                @match listed {
                    Ok(files) => (table(&folder, &files, visitor)),
                    Err(error) => (problem(Some(&reason(&error, visitor.language)))),
                }
                @if visitor.role == Some(Role::Owner) { (upload_form(&folder, visitor)) }
            }
        }
    };
    (status, frame(visitor, &say("files-title"), &content)).into_response()
}

fn table(folder: &Folder, files: &[Listed], visitor: &Visitor) -> Markup {
    let say = |name: &str| visitor.language.say(name);
    let at = format!("{}/files/{}/{}", visitor.origin.base, folder.sink, folder.meter);
    html! {
        @if files.is_empty() { p { (say("files-empty")) } } @else {
            table.files {
                thead {
                    tr {
                        th scope="col" { (say("files-file")) }
                        th scope="col" { (say("files-size")) }
                        th scope="col" { span.hidden { (say("files-delete")) } }
                    }
                }
                tbody {
                    @for file in files {
                        tr {
                            th scope="row" { a href=(format!("{at}/{}", file.name)) download { (file.name) } }
                            td { (size(file.len, visitor.language)) }
                            td {
                                @if file.is_open { (say("files-open")) }
                                @else if visitor.role == Some(Role::Owner) {
                                    form method="post" action=(format!("{at}/delete")) {
                                        input type="hidden" name="name" value=(file.name);
                                        button type="submit" aria-label=(format!("{}: {}", say("files-delete"), file.name)) {
                                            (say("files-delete"))
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn upload_form(folder: &Folder, visitor: &Visitor) -> Markup {
    let id = format!("file-{}-{}", folder.sink, folder.meter);
    let at = format!("{}/files/{}/{}/upload", visitor.origin.base, folder.sink, folder.meter);
    html! {
        form method="post" action=(at) enctype="multipart/form-data" {
            label for=(id) { (visitor.language.say("files-upload")) }
            input #(id) type="file" name="file" accept=".CSV,text/csv" required;
            button type="submit" { (visitor.language.say("files-send")) }
        }
    }
}

fn space_text(space: Space, language: Language) -> String {
    let used = space.total.saturating_sub(space.free);
    let values = [
        ("free", size(space.free, language).into()),
        ("used", size(used, language).into()),
        ("total", size(space.total, language).into()),
    ];
    language.say_with("files-space", &values)
}

fn find<'s>(site: &'s Site, sink: &str, meter: &str) -> Option<&'s Folder> {
    site.folders.iter().find(|folder| &*folder.sink == sink && &*folder.meter == meter)
}

/// Sends a file, or the part of it that is asked for.
pub(in crate::web) async fn download(
    State(site): State<Site>,
    Path((sink, meter, name)): Path<(String, String, String)>,
    request: Request,
) -> Response {
    let Some(path) = find(&site, &sink, &meter).and_then(|folder| folder.shelf.find(&name).ok()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match ServeFile::new(path).try_call(request).await {
        Ok(file) => {
            let mut response = file.into_response();
            // Its name is letters, digits and underscores.
            if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
                response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
            }
            response
        }
        Err(error) => {
            tracing::warn!("{name} cannot be sent: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Which file.
#[derive(Deserialize)]
pub(in crate::web) struct Which {
    name: String,
}

/// Deletes a file.
pub(in crate::web) async fn delete(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    Path((sink, meter)): Path<(String, String)>,
    Form(Which { name }): Form<Which>,
) -> Response {
    let Some(folder) = find(&site, &sink, &meter).cloned() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let file = name.clone();
    let done = tokio::task::spawn_blocking(move || folder.shelf.delete(&file)).await;
    answer(&site, &visitor, done.unwrap_or(Err(ShelfError::Absent)), "was deleted", &name).await
}

/// Takes a file.
pub(in crate::web) async fn upload(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    Path((sink, meter)): Path<(String, String)>,
    mut form: Multipart,
) -> Response {
    let Some(folder) = find(&site, &sink, &meter).cloned() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let field = match form.next_field().await {
        Ok(Some(field)) => field,
        Ok(None) => return answer(&site, &visitor, Err(ShelfError::Name), "", "").await,
        Err(error) => return error.into_response(),
    };
    let name = field.file_name().unwrap_or_default().to_owned();
    let receiving = match folder.shelf.receive(&name) {
        Ok(receiving) => receiving,
        Err(error) => return answer(&site, &visitor, Err(error), "", &name).await,
    };
    match receive(receiving, field).await {
        Ok(done) => answer(&site, &visitor, done, "was put in", &name).await,
        Err(broken) => broken,
    }
}

/// Takes the pieces as they come; a connection that breaks leaves nothing behind.
async fn receive(mut receiving: Receiving, mut field: Field<'_>) -> Result<Result<(), ShelfError>, Response> {
    let gone = |_| StatusCode::SERVICE_UNAVAILABLE.into_response();
    while let Some(piece) = field.chunk().await.map_err(IntoResponse::into_response)? {
        let taking = tokio::task::spawn_blocking(move || {
            let taken = receiving.take(&piece);
            (receiving, taken)
        });
        let (back, taken) = taking.await.map_err(gone)?;
        receiving = back;
        if let Err(error) = taken {
            return Ok(Err(error));
        }
    }
    tokio::task::spawn_blocking(move || receiving.finish()).await.map_err(gone)
}

/// Back to the page, or the page with what went wrong.
async fn answer(
    site: &Site,
    visitor: &Visitor,
    done: Result<(), ShelfError>,
    what: &str,
    name: &str,
) -> Response {
    let error = match done {
        Ok(()) => {
            tracing::info!("the file {name} {what} from {}", visitor.origin.client);
            return Redirect::to(&format!("{}/files", visitor.origin.base)).into_response();
        }
        Err(error) => error,
    };
    let status = match &error {
        ShelfError::Name | ShelfError::Columns => StatusCode::UNPROCESSABLE_ENTITY,
        ShelfError::Absent => StatusCode::NOT_FOUND,
        ShelfError::Taken | ShelfError::Open => StatusCode::CONFLICT,
        ShelfError::Long => StatusCode::PAYLOAD_TOO_LARGE,
        ShelfError::Io(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let text = reason(&error, visitor.language);
    show(site, visitor, status, Some(text)).await
}

fn reason(error: &ShelfError, language: Language) -> String {
    match error {
        ShelfError::Name => language.say("files-wrong-name"),
        ShelfError::Absent => language.say("files-absent"),
        ShelfError::Taken => language.say("files-taken"),
        ShelfError::Open => language.say("files-is-open"),
        ShelfError::Columns => language.say("files-columns"),
        ShelfError::Long => language.say("files-long"),
        ShelfError::Io(error) => {
            tracing::error!("a file of the month: {error}");
            language.say("files-io")
        }
    }
}
