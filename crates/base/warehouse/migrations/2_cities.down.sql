DROP TABLE sights;
DROP TABLE city_events;
DROP TABLE city_requesters;
DROP TABLE cities;
