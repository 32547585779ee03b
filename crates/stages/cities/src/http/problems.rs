//! The problems that routes may answer, for OpenAPI.

sightscan_http::problem_sets! {
    /// Of what needs no database.
    LimitProblems: RateLimited;
    /// Of a search for places.
    PlaceProblems: InvalidParameter, RateLimited, Internal;
    /// Of what is only counted.
    CountProblems: RateLimited, Internal, Unavailable;
    /// Of what is asked by any name.
    NameProblems: InvalidParameter, RateLimited, Internal, Unavailable;
    /// Of the list of cities, of which the administrator is told more.
    CitiesProblems: InvalidParameter, BadCursor, Unauthorized, RateLimited, Internal, Unavailable;
    /// Of a list of jobs.
    JobListProblems: InvalidParameter, BadCursor, Unauthorized, UnknownCity, RateLimited, Internal, Unavailable;
    /// Of what belongs to a city.
    CityProblems: InvalidParameter, UnknownCity, RateLimited, Internal, Unavailable;
    /// Of a city, or of how its crawl went.
    CrawlProblems: InvalidParameter, Unauthorized, UnknownCity, RateLimited, Internal, Unavailable;
    /// Of a list that belongs to a city.
    CityListProblems: InvalidParameter, BadCursor, UnknownCity, RateLimited, Internal, Unavailable;
    /// Of a list of images, some of which are the administrator's.
    ImageListProblems: InvalidParameter, BadCursor, Unauthorized, UnknownCity, RateLimited, Internal, Unavailable;
    /// Of a request for a city.
    RequestProblems: Malformed, UnsupportedMediaType, BodyTooLarge, BodyTimeout, UnknownPlace, AmbiguousPlace, RateLimited,
        Internal, Unavailable;
    /// Of a decision about a city.
    DecisionProblems: Malformed, InvalidParameter, Unauthorized, UnknownCity, BodyTimeout, NotNow, BodyTooLarge,
        UnsupportedMediaType, RateLimited, Internal, Unavailable;
    /// Of an image.
    ImageProblems: InvalidParameter, UnknownImage, RateLimited, Internal, Unavailable;
    /// Of an image's file.
    FileProblems: InvalidParameter, UnknownImage, RangeNotSatisfiable, RateLimited, Internal, Unavailable;
    /// Of a review.
    ReviewProblems: Malformed, InvalidParameter, Unauthorized, UnknownImage, BodyTimeout, BodyTooLarge, UnsupportedMediaType,
        RateLimited, Internal, Unavailable;
    /// Of a donation.
    DonationProblems: Malformed, InvalidParameter, UnknownCity, BodyTimeout, BodyTooLarge, PictureTooLarge, TooManyPictures,
        UnsupportedMediaType, NotAPicture, UndecodablePicture, ConsentRequired, Busy, RateLimited, Internal, Unavailable;
    /// Of a donation by the original's route, which has words of its own for what is no picture.
    UploadProblems: UnknownCity, BodyTimeout, BodyTooLarge, PictureTooLarge, TooManyPictures, UnsupportedMediaType, Busy,
        RateLimited, Internal, Unavailable;
    /// Of the end of a donation.
    WithdrawalProblems: InvalidParameter, UnknownDonation, RateLimited, Internal, Unavailable;
    /// Of a model.
    ModelProblems: InvalidParameter, UnknownCity, UnknownModel, RangeNotSatisfiable, RateLimited, Internal, Unavailable;
    /// Of how the training of a model went.
    DetailProblems: InvalidParameter, Unauthorized, UnknownCity, UnknownModel, RateLimited, Internal, Unavailable;
    /// Of the numbers of jobs.
    QueuesProblems: Unauthorized, RateLimited, Internal, Unavailable;
    /// Of a job.
    JobProblems: InvalidParameter, Unauthorized, UnknownJob, RateLimited, Internal, Unavailable;
    /// Of what only says that the labelling service is there.
    LabelServiceProblems: Unauthorized, RateLimited;
    /// Of the log of labelling.
    LabelLogProblems: Unauthorized, RateLimited, Internal, Unavailable;
    /// Of a wish to have a city labelled.
    LabelProblems: InvalidParameter, Unauthorized, UnknownCity, NotNow, RateLimited, Internal, Unavailable;
    /// Of a change of a job.
    JobChangeProblems: InvalidParameter, Unauthorized, UnknownJob, NotNow, RateLimited, Internal, Unavailable;
}
