//! Opening a queue by a URL or by settings.

use omniq::{AsyncOmniQ, ErrorKind};

#[tokio::test]
async fn an_invalid_url_is_a_settings_error_without_the_password() {
    for url in [
        "",
        "sqlite://x.db",
        "file://me:secret@data",
        "redis://me:secret@host",
    ] {
        let error = AsyncOmniQ::connect(url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Settings, "{error}");
        assert!(!format!("{error:?}").contains("secret"));
    }
}

#[tokio::test]
async fn an_error_names_the_cargo_feature_of_a_storage_that_is_not_built_in() {
    let folder = tempfile::tempdir().unwrap();
    let file = format!("file:{}", folder.path().display());
    let cases = [
        ("memory:", cfg!(feature = "memory"), "\"memory\""),
        ("sqlite::memory:", cfg!(feature = "sqlite"), "\"sqlite\""),
        (&file, cfg!(feature = "file"), "\"file\""),
    ];
    for (url, built_in, expected) in cases {
        match AsyncOmniQ::connect(url).await {
            Ok(_) => assert!(built_in),
            Err(error) => assert!(!built_in && error.to_string().contains(expected)),
        }
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use omniq::{Settings, call};

    use super::*;
    use crate::setup::*;

    #[tokio::test]
    async fn a_database_is_created_with_its_folders_and_keeps_its_tasks() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:///{}/a/b/jobs.db", folder.path().display());
        let first = AsyncOmniQ::connect(&url).await.unwrap();
        let id = first.enqueue(call("echo").arg(4)).await.unwrap().id();
        drop(first);
        let settings = Settings::from_lookup(|name| (name == "OMNIQ_DB_URL").then(|| url.clone()));
        let second = AsyncOmniQ::with_settings(settings.unwrap()).await.unwrap();
        let worker = second.worker().handler("echo", echo);
        let _pool = worker.start().await.unwrap();
        let handle = second.handle::<u8>(id);
        assert_eq!(handle.wait(CEILING).await.unwrap(), 4);
    }

    #[tokio::test]
    async fn the_database_is_in_the_base_folder_by_default() {
        let folder = tempfile::tempdir().unwrap();
        let settings = quick().base_dir(folder.path().join("data"));
        let omniq = AsyncOmniQ::with_settings(settings.build().unwrap()).await;
        omniq.unwrap().enqueue(call("echo")).await.unwrap();
        assert!(folder.path().join("data/omniq.db").is_file());
    }
}

#[cfg(feature = "file")]
mod file {
    use omniq::{Settings, call};

    use super::*;
    use crate::setup::*;

    #[tokio::test]
    async fn a_folder_is_created_and_keeps_its_tasks() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("file://{}/a/b", folder.path().display());
        let first = AsyncOmniQ::connect(&url).await.unwrap();
        let id = first.enqueue(call("echo").arg(4)).await.unwrap().id();
        drop(first);
        let settings = Settings::from_lookup(|name| (name == "OMNIQ_DB_URL").then(|| url.clone()));
        let second = AsyncOmniQ::with_settings(settings.unwrap()).await.unwrap();
        let worker = second.worker().handler("echo", echo);
        let _pool = worker.start().await.unwrap();
        let handle = second.handle::<u8>(id);
        assert_eq!(handle.wait(CEILING).await.unwrap(), 4);
    }

    #[tokio::test]
    async fn the_file_backend_uses_the_base_folder_by_default() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("data").display().to_string();
        let settings = Settings::from_lookup(|name| match name {
            "OMNIQ_BACKEND" => Some("file".to_owned()),
            "OMNIQ_BASE_DIR" => Some(base.clone()),
            _ => None,
        });
        let omniq = AsyncOmniQ::with_settings(settings.unwrap()).await;
        omniq.unwrap().enqueue(call("echo")).await.unwrap();
        assert!(folder.path().join("data/queue/lanes").is_dir());
    }
}
