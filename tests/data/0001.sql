-- A database as the first migration made it, with data: two galleries of five photos, and an empty one.
BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE collections (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	name VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	owner VARCHAR, 
	model VARCHAR, 
	weights_hash VARCHAR, 
	exits_hash VARCHAR, 
	exits INTEGER, 
	full_macs BIGINT, 
	budget DOUBLE, 
	created_at DOUBLE NOT NULL, 
	indexed_at DOUBLE
);
INSERT INTO "collections" VALUES(1,'Demo gallery','demo',NULL,'tgem-mini','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb',3,100,0.75,1700000000.0,1700000010.0);
INSERT INTO "collections" VALUES(2,'Holiday','gallery',NULL,'tgem-mini','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb',3,100,0.5,1700000020.0,1700000030.0);
INSERT INTO "collections" VALUES(4,'Empty','gallery',NULL,NULL,NULL,NULL,NULL,NULL,NULL,1700000040.0,NULL);
CREATE TABLE encodings (
	image_id INTEGER NOT NULL, 
	vector BLOB NOT NULL, 
	exit INTEGER NOT NULL, 
	gates BLOB NOT NULL, 
	phrases JSON NOT NULL, 
	macs_index BIGINT NOT NULL, 
	macs_query BIGINT NOT NULL, 
	milliseconds DOUBLE NOT NULL, 
	budget DOUBLE NOT NULL, 
	PRIMARY KEY (image_id), 
	FOREIGN KEY(image_id) REFERENCES images (id) ON DELETE CASCADE
);
INSERT INTO "encodings" VALUES(1,X'0000803F0000000000000000',1,X'0000803E0000803E0000803E','[[["a dog", 0.5], ["a cat", 0.25]]]',40,0,2.5,0.75);
INSERT INTO "encodings" VALUES(2,X'000000000000803F00000000',3,X'0000803E0000803E0000803E0000803E0000803E0000803E','[[["a dog", 0.5], ["a cat", 0.25]], [["a dog", 0.5], ["a cat", 0.25]], [["a dog", 0.5], ["a cat", 0.25]]]',100,0,2.5,0.75);
INSERT INTO "encodings" VALUES(5,X'0000803F0000000000000000',1,X'0000803E0000803E0000803E','[[["a dog", 0.5], ["a cat", 0.25]]]',40,0,2.5,0.5);
INSERT INTO "encodings" VALUES(6,X'00000000000000000000803F',2,X'0000803E0000803E0000803E0000803E0000803E0000803E','[[["a dog", 0.5], ["a cat", 0.25]], [["a dog", 0.5], ["a cat", 0.25]]]',70,7,2.5,0.5);
INSERT INTO "encodings" VALUES(9,X'9A99193FCDCC4C3F00000000',3,X'0000803E0000803E0000803E0000803E0000803E0000803E','[[["a dog", 0.5], ["a cat", 0.25]], [["a dog", 0.5], ["a cat", 0.25]], [["a dog", 0.5], ["a cat", 0.25]]]',100,0,2.5,0.5);
CREATE TABLE images (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	collection_id INTEGER NOT NULL, 
	content_hash VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	width INTEGER NOT NULL, 
	height INTEGER NOT NULL, 
	bytes INTEGER NOT NULL, 
	added_at DOUBLE NOT NULL, 
	FOREIGN KEY(collection_id) REFERENCES collections (id) ON DELETE CASCADE, 
	UNIQUE (collection_id, content_hash)
);
INSERT INTO "images" VALUES(1,1,'0000000000000000000000000000000000000000000000000000000000000001','red.jpg',640,480,12345,1700000001.0);
INSERT INTO "images" VALUES(2,1,'0000000000000000000000000000000000000000000000000000000000000002','green.jpg',640,480,12345,1700000002.0);
INSERT INTO "images" VALUES(5,2,'0000000000000000000000000000000000000000000000000000000000000005','Grüße 日本.jpg',640,480,12345,1700000005.0);
INSERT INTO "images" VALUES(6,2,'0000000000000000000000000000000000000000000000000000000000000006','blue.jpg',640,480,12345,1700000006.0);
INSERT INTO "images" VALUES(9,2,'0000000000000000000000000000000000000000000000000000000000000009','o''clock; --.jpg',640,480,12345,1700000009.0);
CREATE INDEX ix_images_collection_id_id ON images (collection_id, id);
CREATE INDEX ix_images_content_hash ON images (content_hash);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('collections',4);
INSERT INTO "sqlite_sequence" VALUES('images',9);
COMMIT;
