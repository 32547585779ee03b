//! Pictures that people give, with their consent, and take back.

use bytes::Bytes;
use sightscan_pictures::{DecodeError, Limits, inspect, perceptual_hash, strip_metadata};
use sightscan_types::{ConsentId, ConsentKind, ImageId, OriginKind, Provenance, Review, Sha256};
use sightscan_warehouse::cities::City;
use sightscan_warehouse::consents::{self, NewConsent};
use sightscan_warehouse::images::{self, NewImage, Withdrawn};
use tracing::info;
use uuid::Uuid;

use crate::Cities;
use crate::error::{Error, Result, retried};
use crate::requester::Requester;

/// What a donor agrees to, in one language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsentText {
    /// The language: its code in ISO 639-1.
    pub language: &'static str,
    /// Its version. Who changes a text gives it a new one: consents remember what was agreed to.
    pub version: &'static str,
    /// The text.
    pub text: &'static str,
}

/// What donors agree to, by language, English first. All say the same.
pub const TEXTS: [ConsentText; 2] = [
    ConsentText {
        language: "en",
        version: "2026-11-2",
        text: "\
I took this picture myself or may pass it on, and keep my rights in it. I give SightScan a free licence, \
which I can end at any time, to keep it, have a person look at it, and train detectors of the city's sights \
with it. SightScan takes out everything that the file says about me, my camera and where I was; it keeps the \
picture itself, the time of the donation, and a keyed hash of my network address, and shows the picture to \
nobody but its administrators. I get a link by which I can delete the picture at any time; models that were \
trained with it are then marked.",
    },
    ConsentText {
        language: "de",
        version: "2026-11-2-de",
        text: "\
Ich habe dieses Bild selbst aufgenommen oder darf es weitergeben, und behalte meine Rechte daran. Ich erteile \
SightScan eine unentgeltliche, jederzeit widerrufliche Lizenz, das Bild aufzubewahren, es von einem Menschen \
ansehen zu lassen und damit Programme zu trainieren, die Sehenswürdigkeiten der Stadt erkennen. SightScan \
entfernt alles, was die Datei über mich, meine Kamera und meinen Standort verrät; es behält das Bild selbst, \
den Zeitpunkt der Spende und einen mit einem geheimen Schlüssel gebildeten Hashwert meiner Netzwerkadresse, und \
zeigt das Bild nur denen, die SightScan verwalten. Ich bekomme einen Link, mit dem ich das Bild jederzeit \
löschen kann; Modelle, die damit trainiert wurden, werden dann gekennzeichnet.",
    },
];

/// The text by which the first clients asked.
pub const CHECKBOX: &str = "Help improving SightScan's detection quality";

/// Why datasets and models are marked that were made of a picture which is gone.
const WITHDRAWN: &str = "a donor took a picture back";

/// What was agreed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// How.
    pub kind: ConsentKind,
    /// Which text: its version, or the text of the check box.
    pub text_version: String,
}

/// A picture that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Donation {
    /// The picture.
    pub image: ImageId,
    /// By which its donor can delete it. It is stored as its SHA-256 only and cannot be told again.
    pub token: String,
}

/// A picture that is ready to be stored: its file without what tells about its donor.
struct Prepared {
    bytes: Bytes,
    media_type: &'static str,
    width: u32,
    height: u32,
    perceptual_hash: u64,
}

impl Cities {
    /// Takes a picture for a city. It is used once somebody has looked at it.
    ///
    /// # Errors
    /// When it is no picture or too large, or the database or the blobs do not answer.
    pub async fn donate(
        &self,
        city: &City,
        bytes: Bytes,
        consent: &Consent,
        requester: &Requester,
    ) -> Result<Donation> {
        let limits = Limits { max_pixels: self.config.max_upload_pixels };
        // Decoding takes as long as a hundred requests of the other kinds.
        let _place = self.decoding.acquire().await;
        let prepared = tokio::task::spawn_blocking(move || prepare(bytes, &limits)).await??;
        let (token, consent) = agreed(consent, requester);
        let image = prepared.image(consent, self.warehouse.database.now());
        let stored = images::store(&self.warehouse, city.id, prepared.bytes, &image).await?;
        self.metrics.donations.increment(1);
        info!(city = %city.slug, image = %stored.image, "a picture was donated");
        Ok(Donation { image: stored.image, token })
    }

    /// Deletes what was donated with the consent of this token. An image that came from elsewhere as well stays, without the
    /// donation.
    ///
    /// # Errors
    /// When nothing was, or it is deleted already; when the database or the blobs do not answer.
    pub async fn withdraw(&self, token: &str) -> Result<Withdrawn> {
        let consent = consents::by_token(&self.warehouse.database, token).await?;
        let consent = consent.filter(|consent| consent.revoked_at.is_none()).ok_or(Error::UnknownDonation)?;
        let withdrawn =
            retried(|| async { Ok(images::withdraw(&self.warehouse, consent.id, WITHDRAWN).await?) }).await?;
        self.metrics.withdrawals.increment(1);
        info!(images = withdrawn.images.len(), models = withdrawn.tainted_models, "a donation was withdrawn");
        Ok(withdrawn)
    }
}

/// A consent with a fresh token of 244 random bits for its deletion link.
fn agreed(consent: &Consent, requester: &Requester) -> (String, NewConsent) {
    let token = [(); 2].map(|()| Uuid::new_v4().simple().to_string()).concat();
    let new = NewConsent {
        id: ConsentId::new(),
        kind: consent.kind,
        text_version: consent.text_version.clone(),
        requester: requester.as_str().to_owned(),
        deletion_token: Sha256::of(token.as_bytes()),
    };
    (token, new)
}

/// Proves that it is a picture, and takes out of its file what is not needed to show it.
fn prepare(bytes: Bytes, limits: &Limits) -> Result<Prepared, DecodeError> {
    let inspection = inspect(&bytes, limits)?;
    Ok(Prepared {
        bytes: strip_metadata(&bytes)?.into(),
        media_type: inspection.format.media_type(),
        width: inspection.width(),
        height: inspection.height(),
        perceptual_hash: perceptual_hash(&inspection.picture),
    })
}

impl Prepared {
    fn image(&self, consent: NewConsent, now: i64) -> NewImage {
        let provenance = Provenance {
            kind: OriginKind::Donation,
            source: consent.id.to_string(),
            page_url: None,
            author: None,
            licence: None,
            licence_url: None,
            retrieved_at: now,
        };
        NewImage {
            media_type: self.media_type.to_owned(),
            width: self.width,
            height: self.height,
            perceptual_hash: Some(self.perceptual_hash),
            review: Review::Pending,
            provenance,
            consent: Some(consent),
            sight: None,
        }
    }
}
