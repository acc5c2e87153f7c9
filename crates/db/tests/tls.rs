//! TLS to a PostgreSQL server of its own, with a certificate of its own making.
//!
//! Only on PostgreSQL (`YUNSHI_TEST_ENGINE=postgres`): what is tested is how the two sides come to terms.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use db::{Db, Error, Location, Options, sql};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

fn on_postgres() -> bool {
    std::env::var("YUNSHI_TEST_ENGINE").as_deref() == Ok("postgres")
}

/// An authority, and what it vouches for.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { pem: params.self_signed(&key).unwrap().pem(), issuer: Issuer::new(params, key) }
    }

    /// A certificate for `name`, and its key.
    fn certify(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

/// A server that lets nobody in who does not encrypt. Stopped when dropped.
struct Server {
    folder: tempfile::TempDir,
    programs: PathBuf,
    port: u16,
}

/// PostgreSQL's server programs: on the PATH, or where Debian puts them.
fn programs() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let of_debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().map(|version| version.unwrap().path().join("bin"));
    let mut folders = std::env::split_paths(&path).chain(of_debian);
    folders.find(|folder| folder.join("pg_ctl").is_file() && folder.join("initdb").is_file()).expect("PostgreSQL's server programs")
}

impl Server {
    fn start(certificate: &str, key: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("yunshi-tls-").tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { folder, programs: programs(), port };
        server.give_away();
        let data = server.data();
        server.run("initdb", &["--username=yunshi", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        fs::write(data.join("server.crt"), certificate).unwrap();
        fs::write(data.join("server.key"), key).unwrap();
        fs::write(data.join("pg_hba.conf"), "hostssl all all 127.0.0.1/32 trust\n").unwrap();
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = ''\nfsync = off\nssl = on\n\
             ssl_cert_file = 'server.crt'\nssl_key_file = 'server.key'\n"
        );
        fs::write(data.join("postgresql.conf"), settings).unwrap();
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(data.join("server.key"), fs::Permissions::from_mode(0o600)).unwrap();
        server.give_away();
        server.run("pg_ctl", &["start", "--wait", "--silent", "--log=../log"]);
        server
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// PostgreSQL refuses to run as root: then the folder and the server are of the user `postgres`.
    fn is_root() -> bool {
        rustix::process::geteuid().is_root()
    }

    fn give_away(&self) {
        if Self::is_root() {
            let given = Command::new("chown").args(["-R", "postgres:"]).arg(self.folder.path()).status().unwrap();
            assert!(given.success());
        }
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let program = self.programs.join(program);
        let mut command = if Self::is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.args(arguments).arg("--pgdata").arg(self.data()).current_dir(self.folder.path());
        let output = command.stdout(std::process::Stdio::null()).output().unwrap();
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        assert!(output.status.success(), "{}{log}", String::from_utf8_lossy(&output.stderr));
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    async fn open(&self, host: &str, query: &str, ca_file: Option<&Path>) -> Result<Db, String> {
        open(&format!("postgres://yunshi@{host}:{}/postgres{query}", self.port), ca_file).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.data().join("postmaster.pid").exists() {
            self.run("pg_ctl", &["stop", "--wait", "--silent", "--mode=immediate"]);
        }
    }
}

async fn open(url: &str, ca_file: Option<&Path>) -> Result<Db, String> {
    let options = Options { connections: 2, ca_file: ca_file.map(Path::to_owned), ..Options::new(Location::Postgres(url.to_owned())) };
    Db::open(options).await.map_err(|error| match error {
        Error::Unavailable(why) => why,
        other => panic!("{other:?}"),
    })
}

#[tokio::test]
async fn a_server_is_believed_when_its_certificate_is_vouched_for() {
    if !on_postgres() {
        return;
    }
    let (ours, theirs) = (Authority::new(), Authority::new());
    let (certificate, key) = ours.certify("localhost");
    let server = Server::start(&certificate, &key);
    let (ours, theirs) = (server.file("ours.pem", &ours.pem), server.file("theirs.pem", &theirs.pem));

    let db = server.open("localhost", "?sslmode=require", Some(&ours)).await.unwrap();
    let encrypted = sql!("SELECT CAST(COUNT(*) AS BIGINT) FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl");
    assert_eq!(db.read(async |tx| tx.one::<(i64,)>(encrypted, &[]).await).await.unwrap(), (1,));
    assert!(server.open("localhost", "", Some(&ours)).await.is_ok(), "an own authority is enough to say so");

    for (host, query, ca_file) in
        [("localhost", "?sslmode=require", None), ("localhost", "", Some(&theirs)), ("127.0.0.1", "?sslmode=require", Some(&ours))]
    {
        let why = server.open(host, query, ca_file.map(PathBuf::as_path)).await.unwrap_err();
        assert!(why.starts_with("the certificate of the PostgreSQL server is not trusted: "), "{host}{query} {ca_file:?}: {why}");
        assert!(why.contains("database_ca_file"), "{why}");
    }
    // Without a word about it, it is encrypted and whoever answers is believed, as a client of PostgreSQL expects.
    for query in ["", "?sslmode=prefer"] {
        assert!(server.open("127.0.0.1", query, None).await.is_ok(), "{query}");
    }
    assert!(server.open("localhost", "?sslmode=disable", None).await.is_err(), "the server lets nobody in who does not encrypt");
}

#[tokio::test]
async fn a_server_that_cannot_encrypt_gets_nothing_where_it_must() {
    let Ok(url) = std::env::var("YUNSHI_TEST_DATABASE_URL").map_err(drop).and_then(|url| on_postgres().then_some(url).ok_or(())) else {
        return;
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), Authority::new().pem).unwrap();
    let require = format!("{url}?sslmode=require");
    for (url, ca_file) in [(require.as_str(), None), (url.as_str(), Some(file.path()))] {
        let why = open(url, ca_file).await.unwrap_err();
        assert!(why.contains("server does not support TLS"), "{why}");
    }
    assert!(open(&format!("{url}?sslmode=prefer"), None).await.is_ok());
}

#[tokio::test]
async fn authorities_that_cannot_be_read_are_said_to_be_so_before_anything_is_sent() {
    // Nobody listens there: it is not asked.
    let url = "postgres://yunshi@127.0.0.1:1/yunshi";
    let empty = tempfile::NamedTempFile::new().unwrap();
    for path in [Path::new("/nonexistent/authority.pem"), empty.path()] {
        let why = open(url, Some(path)).await.unwrap_err();
        assert!(why.contains("cannot read the authorities") && why.contains(path.to_str().unwrap()), "{why}");
    }
    let why = open(&format!("{url}?sslmode=disable"), Some(empty.path())).await.unwrap_err();
    assert!(why.contains("keep one of them"), "{why}");
}
