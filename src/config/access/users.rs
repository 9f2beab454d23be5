//! Users with passwords: a file as `htpasswd` writes it, with hashes that are made to be slow.

use super::super::codec::Custom;
use super::super::field::Presence as _;
use super::super::files::print_path;
use super::super::shape::Shape;
use super::super::table::section;
use super::lines::{LineForm, NamedSecrets, read};
use argon2::PasswordHash as Phc;

section! {
    /// Users with passwords.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct BasicAccess {
        /// A file of users, as `htpasswd -B` writes it: `name:hash` a line, with bcrypt or argon2.
        pub users("users_file"): NamedSecrets = USERS_FILE.needed("a file with `name:hash` a line"),
    }
}

/// bcrypt takes twice as long with each step: 2^16 rounds take a core for seconds.
const BCRYPT_COST_MAX: u32 = 15;
/// What one check may take of memory, in KiB: a few are made at one time.
const ARGON2_MEMORY_KIB_MAX: u32 = 256 * 1024;
const ARGON2_ROUNDS_MAX: u32 = 32;

/// How a password was hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordHash {
    /// `$2a$`, `$2b$`, `$2y$`.
    Bcrypt,
    /// `$argon2i$`, `$argon2d$`, `$argon2id$`.
    Argon2,
}

impl PasswordHash {
    /// The form of a hash that was checked when its file was read.
    pub fn of(hash: &str) -> Self {
        match hash.starts_with("$argon2") {
            true => Self::Argon2,
            false => Self::Bcrypt,
        }
    }
}

const USERS_FILE: Custom<NamedSecrets> = Custom {
    shape: || Shape::Text(&["/none.users"]),
    read: |item| read(item, &FORM),
    print: |users| print_path(&users.path),
};

const FORM: LineForm = LineForm {
    expected: "`name:hash` a line, the hash by bcrypt (`htpasswd -B`) or argon2",
    check: check_hash,
};

fn check_hash(hash: &str) -> Result<Option<String>, String> {
    if hash.starts_with("$argon2") {
        return check_argon2(hash).map(|()| None);
    }
    let parts: Option<bcrypt::HashParts> = hash.parse().ok();
    match (hash.get(..4), parts) {
        (Some("$2a$" | "$2b$" | "$2y$"), Some(parts)) => match parts.get_cost() {
            4..=BCRYPT_COST_MAX => Ok(None),
            cost => Err(format!(
                "bcrypt with a cost of {cost}, and not from 4 to {BCRYPT_COST_MAX}"
            )),
        },
        (Some("$2a$" | "$2b$" | "$2y$"), None) => Err("a bcrypt hash that is not whole".to_owned()),
        _ => Err(format!("{}, which is not supported", weak_form(hash))),
    }
}

/// What else `htpasswd` and others write.
fn weak_form(hash: &str) -> &'static str {
    match hash {
        _ if hash.starts_with("$apr1$") || hash.starts_with("$1$") => "a hash by MD5",
        _ if hash.starts_with("{SHA}") => "a hash by SHA-1",
        _ if hash.starts_with("$5$") || hash.starts_with("$6$") => "a hash by SHA-2 crypt",
        _ => "no hash by bcrypt or argon2",
    }
}

fn check_argon2(hash: &str) -> Result<(), String> {
    let not_whole = || "an argon2 hash that is not whole".to_owned();
    let parsed = Phc::new(hash).map_err(|_| not_whole())?;
    argon2::Algorithm::try_from(parsed.algorithm).map_err(|_| not_whole())?;
    let params = argon2::Params::try_from(&parsed).map_err(|_| not_whole())?;
    if parsed.salt.is_none() || parsed.hash.is_none() {
        return Err(not_whole());
    }
    if params.m_cost() > ARGON2_MEMORY_KIB_MAX || params.t_cost() > ARGON2_ROUNDS_MAX {
        return Err(format!(
            "argon2 with more than {ARGON2_MEMORY_KIB_MAX} KiB of memory or {ARGON2_ROUNDS_MAX} rounds"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_hashes_are_taken_and_no_others() {
        let bcrypt = bcrypt::hash("x", 4).expect("a hash");
        for hash in [
            bcrypt.as_str(),
            &bcrypt.replacen("$2b$", "$2y$", 1),
            &bcrypt.replacen("$2b$", "$2a$", 1),
            "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$iWh06vD8Fy27wf9npn6FXWiCX4K6pW6Ue1Bnzz07Z8A",
        ] {
            assert_eq!(check_hash(hash), Ok(None), "{hash}");
        }
        for hash in [
            "",
            "plain",
            "$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/",
            "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
            "$2y$",
            "$2y$10$short",
            &bcrypt.replacen("$04$", "$31$", 1),
            &bcrypt.replacen("$2b$", "$2x$", 1),
            "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ",
            "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$iWh06vD8Fy27wf9npn6FXWiCX4K6pW6Ue1Bnzz07Z8A",
        ] {
            assert!(check_hash(hash).is_err(), "{hash}");
        }
    }
}
