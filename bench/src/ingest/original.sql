-- An equivalent of the original system's warehouse, written from a description of its behaviour, faults included:
-- programs insert into load_layer, triggers move the rows on, every city has a materialised view of its own that is
-- made by the trigger and refreshed by a function.
CREATE SCHEMA load_layer;
CREATE SCHEMA integration_layer;
CREATE SCHEMA data_mart_layer;

CREATE TYPE bounding_box AS (
    ul_x      DOUBLE PRECISION,
    ul_y      DOUBLE PRECISION,
    lr_x      DOUBLE PRECISION,
    lr_y      DOUBLE PRECISION,
    box_label VARCHAR(100)
);

CREATE TABLE load_layer.sight_images (
    id                      SERIAL PRIMARY KEY,
    sight_image             BYTEA NOT NULL,
    sight_city              VARCHAR(100) NOT NULL,
    sight_image_width       INT NOT NULL,
    sight_image_height      INT NOT NULL,
    sight_image_data_source VARCHAR(300) NOT NULL
);

CREATE TABLE load_layer.sight_image_labels (
    id                      SERIAL PRIMARY KEY,
    sight_image_data_source VARCHAR(300) NOT NULL,
    sight_labels            bounding_box[] NOT NULL
);

CREATE TABLE load_layer.trained_models (
    id                  SERIAL PRIMARY KEY,
    city                VARCHAR(100) NOT NULL,
    trained_model       BYTEA NOT NULL,
    n_considered_images INT NOT NULL
);

CREATE TABLE integration_layer.dim_sights_cities (
    city_id   SERIAL PRIMARY KEY,
    city_name VARCHAR(100) NOT NULL
);

CREATE TABLE integration_layer.dim_sights_resolutions (
    resolution_id     SERIAL PRIMARY KEY,
    resolution_height INT NOT NULL,
    resolution_width  INT NOT NULL
);

CREATE TABLE integration_layer.dim_sights_images (
    image_id     SERIAL PRIMARY KEY,
    image_file   BYTEA NOT NULL,
    image_source VARCHAR(300) NOT NULL,
    image_labels bounding_box[]
);
CREATE INDEX dim_sights_images_by_source ON integration_layer.dim_sights_images (image_source);

CREATE TABLE integration_layer.dim_sights_timestamps (
    timestamp_id   SERIAL PRIMARY KEY,
    timestamp_unix BIGINT NOT NULL
);

CREATE TABLE integration_layer.dim_models_timestamps (
    timestamp_id   SERIAL PRIMARY KEY,
    timestamp_unix BIGINT NOT NULL
);

CREATE SEQUENCE integration_layer.model_surrogate_keys;
CREATE TABLE integration_layer.dim_models_trained_models (
    trained_model_id    SERIAL PRIMARY KEY,
    trained_model_model BYTEA NOT NULL,
    n_considered_images INT NOT NULL,
    surrogate_key       INT NOT NULL,
    version             INT NOT NULL
);
CREATE INDEX dim_models_by_surrogate_key ON integration_layer.dim_models_trained_models (surrogate_key);
CREATE INDEX dim_models_by_version ON integration_layer.dim_models_trained_models (version);

CREATE TABLE integration_layer.fact_sights (
    city_id       INT NOT NULL REFERENCES integration_layer.dim_sights_cities,
    timestamp_id  INT NOT NULL REFERENCES integration_layer.dim_sights_timestamps,
    image_id      INT NOT NULL REFERENCES integration_layer.dim_sights_images,
    resolution_id INT NOT NULL REFERENCES integration_layer.dim_sights_resolutions,
    PRIMARY KEY (city_id, timestamp_id, image_id, resolution_id)
);

CREATE TABLE integration_layer.fact_models (
    city_id          INT NOT NULL REFERENCES integration_layer.dim_sights_cities,
    timestamp_id     INT NOT NULL REFERENCES integration_layer.dim_models_timestamps,
    trained_model_id INT NOT NULL REFERENCES integration_layer.dim_models_trained_models,
    PRIMARY KEY (city_id, timestamp_id, trained_model_id)
);

CREATE FUNCTION integration_layer.city_of(name TEXT) RETURNS INT LANGUAGE plpgsql AS $$
DECLARE
    normalised VARCHAR(100) := upper(regexp_replace(name, '[^-0-9A-Za-zÄÖÜäöüß_ ]', ''));
    found INT;
BEGIN
    SELECT city_id INTO found FROM integration_layer.dim_sights_cities WHERE city_name = normalised LIMIT 1;
    IF found IS NULL THEN
        INSERT INTO integration_layer.dim_sights_cities (city_name) VALUES (normalised) RETURNING city_id INTO found;
    END IF;
    RETURN found;
END $$;

CREATE FUNCTION load_layer.move_image() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
    moment BIGINT := floor(extract(epoch FROM clock_timestamp()));
    image INT;
    city INT;
    mart TEXT;
    at INT;
    resolution INT;
BEGIN
    IF EXISTS (SELECT 1 FROM integration_layer.dim_sights_images WHERE image_source = NEW.sight_image_data_source) THEN
        DELETE FROM load_layer.sight_images WHERE id = NEW.id;
        RETURN NULL;
    END IF;
    INSERT INTO integration_layer.dim_sights_images (image_file, image_source)
        VALUES (NEW.sight_image, NEW.sight_image_data_source) RETURNING image_id INTO image;

    city := integration_layer.city_of(NEW.sight_city);
    SELECT lower(city_name) INTO mart FROM integration_layer.dim_sights_cities WHERE city_id = city;

    SELECT timestamp_id INTO at FROM integration_layer.dim_sights_timestamps WHERE timestamp_unix = moment LIMIT 1;
    IF at IS NULL THEN
        INSERT INTO integration_layer.dim_sights_timestamps (timestamp_unix) VALUES (moment) RETURNING timestamp_id INTO at;
    END IF;

    SELECT resolution_id INTO resolution FROM integration_layer.dim_sights_resolutions
        WHERE resolution_height = NEW.sight_image_height AND resolution_width = NEW.sight_image_width LIMIT 1;
    IF resolution IS NULL THEN
        INSERT INTO integration_layer.dim_sights_resolutions (resolution_height, resolution_width)
            VALUES (NEW.sight_image_height, NEW.sight_image_width) RETURNING resolution_id INTO resolution;
    END IF;

    IF NOT EXISTS (SELECT 1 FROM integration_layer.fact_sights f WHERE f.city_id = city AND f.timestamp_id = at
                   AND f.image_id = image AND f.resolution_id = resolution) THEN
        INSERT INTO integration_layer.fact_sights VALUES (city, at, image, resolution);
    END IF;

    EXECUTE 'CREATE MATERIALIZED VIEW IF NOT EXISTS data_mart_layer.images_' || mart || ' AS
        SELECT DISTINCT i.image_id, i.image_file, i.image_labels, r.resolution_height,
                        r.resolution_height AS resolution_width
        FROM integration_layer.fact_sights f
        JOIN integration_layer.dim_sights_images i ON i.image_id = f.image_id
        JOIN integration_layer.dim_sights_resolutions r ON r.resolution_id = f.resolution_id
        WHERE f.city_id = ' || city;
    EXECUTE 'CREATE UNIQUE INDEX IF NOT EXISTS mart_index_' || mart || ' ON data_mart_layer.images_' || mart || ' (image_id)';

    DELETE FROM load_layer.sight_images WHERE id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER move_image AFTER INSERT ON load_layer.sight_images FOR EACH ROW EXECUTE FUNCTION load_layer.move_image();

CREATE FUNCTION load_layer.move_model() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
    moment BIGINT := floor(extract(epoch FROM clock_timestamp()));
    city INT := integration_layer.city_of(NEW.city);
    at INT;
    model INT;
    next_version INT;
BEGIN
    SELECT timestamp_id INTO at FROM integration_layer.dim_models_timestamps WHERE timestamp_unix = moment LIMIT 1;
    IF at IS NULL THEN
        INSERT INTO integration_layer.dim_models_timestamps (timestamp_unix) VALUES (moment) RETURNING timestamp_id INTO at;
    END IF;
    SELECT count(*) + 1 INTO next_version FROM integration_layer.fact_models WHERE city_id = city;
    INSERT INTO integration_layer.dim_models_trained_models (trained_model_model, n_considered_images, surrogate_key, version)
        VALUES (NEW.trained_model, NEW.n_considered_images, nextval('integration_layer.model_surrogate_keys'), next_version)
        RETURNING trained_model_id INTO model;
    INSERT INTO integration_layer.fact_models VALUES (city, at, model);
    DELETE FROM load_layer.trained_models WHERE id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER move_model AFTER INSERT ON load_layer.trained_models FOR EACH ROW EXECUTE FUNCTION load_layer.move_model();

CREATE FUNCTION load_layer.move_labels() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    UPDATE integration_layer.dim_sights_images SET image_labels = NEW.sight_labels
        WHERE image_source = NEW.sight_image_data_source;
    DELETE FROM load_layer.sight_image_labels WHERE id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER move_labels AFTER INSERT ON load_layer.sight_image_labels FOR EACH ROW EXECUTE FUNCTION load_layer.move_labels();

CREATE MATERIALIZED VIEW data_mart_layer.current_trained_models AS
    SELECT m.trained_model_id, c.city_name, m.trained_model_model AS trained_model, m.version
    FROM integration_layer.dim_sights_cities c
    JOIN (SELECT city_id, max(timestamp_id) AS timestamp_id, max(trained_model_id) AS trained_model_id
          FROM integration_layer.fact_models GROUP BY city_id) newest ON newest.city_id = c.city_id
    JOIN integration_layer.dim_models_trained_models m ON m.trained_model_id = newest.trained_model_id;
CREATE UNIQUE INDEX current_trained_models_by_id ON data_mart_layer.current_trained_models (trained_model_id);

CREATE FUNCTION RefreshAllMaterializedViews(schema_name TEXT DEFAULT 'data_mart_layer') RETURNS INT LANGUAGE plpgsql AS $$
DECLARE
    mart RECORD;
BEGIN
    FOR mart IN SELECT matviewname FROM pg_matviews WHERE schemaname = schema_name LOOP
        EXECUTE 'REFRESH MATERIALIZED VIEW CONCURRENTLY ' || schema_name || '.' || mart.matviewname;
    END LOOP;
    REFRESH MATERIALIZED VIEW CONCURRENTLY data_mart_layer.current_trained_models;
    RETURN 1;
END $$;
SELECT RefreshAllMaterializedViews();
