-- MySQL dump 10.13  Distrib 8.0
/*!40101 SET NAMES utf8mb4 */;
CREATE TABLE `subscriber` (
  `id` int unsigned NOT NULL AUTO_INCREMENT,
  `username` varchar(64) NOT NULL DEFAULT '',
  `password` varchar(64) NOT NULL DEFAULT '',
  `domain` varchar(64) NOT NULL DEFAULT '',
  `ha1` varchar(128) NOT NULL DEFAULT '',
  `ha1b` varchar(128) NOT NULL DEFAULT '',
  PRIMARY KEY (`id`),
  UNIQUE KEY `account_idx` (`username`,`domain`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO `acc` VALUES (1,'INSERT INTO `subscriber` VALUES (9)');
INSERT INTO `subscriber` VALUES (1,'alice','','example.com','0123456789abcdef0123456789abcdef','fedcba9876543210fedcba9876543210'),(2,'o\'brien','a\\b;(\'x\')','example.com','',''),
  (3,'bob',NULL,'example.com','0123456789abcdef0123456789abcdef','');
INSERT INTO `location` (`ruid`,`username`,`domain`,`contact`,`expires`,`q`,`instance`,`reg_id`) VALUES ('u-1','alice','example.com','sip:alice@192.0.2.1:5060','2030-05-28 21:32:15',-1.00,'<urn:uuid:1>',1);
