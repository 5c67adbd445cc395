PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE subscriber (
    id INTEGER PRIMARY KEY NOT NULL,
    username VARCHAR(64) DEFAULT '' NOT NULL,
    domain VARCHAR(64) DEFAULT '' NOT NULL,
    password VARCHAR(64) DEFAULT '' NOT NULL,
    ha1 VARCHAR(128) DEFAULT '' NOT NULL,
    ha1b VARCHAR(128) DEFAULT '' NOT NULL,
    CONSTRAINT subscriber_account_idx UNIQUE (username, domain)
);
INSERT INTO subscriber VALUES(1,'alice','example.com','','0123456789abcdef0123456789abcdef','fedcba9876543210fedcba9876543210');
INSERT INTO subscriber VALUES(2,'o''brien','example.com','back\','','');
INSERT INTO location VALUES(1,'u-1','alice','example.com','sip:alice@192.0.2.1:5060',NULL,NULL,2462649.5,-1.0,'c',3,2460000.5,0,0,'Phone','udp:192.0.2.9:5060',4294967295,NULL,0,0,-1,1,0);
COMMIT;
