set(CPACK_GENERATOR "TGZ;DEB")
set(CPACK_PACKAGE_CONTACT "truefin maintainers <truefin@example.org>")
set(CPACK_PACKAGE_VENDOR "truefin")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "LD_PRELOAD shim that gives TCP connections truthful endings")
set(CPACK_PACKAGE_DESCRIPTION
"The TCP connections of an unmodified program end as the program ended: with
a FIN when it ended them well, with an RST when it crashed. So a peer does
not take half an answer of a killed server for a whole one.
.
The package holds the library, the command that runs programs under it, a
side-car that watches programs into which no library can be loaded, and a
client that tells how the other side has ended a connection.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
# What Debian alone wants, see debian.cmake.
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/cmake/debian.cmake)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS OFF)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libc6 (>= 2.34)")
set(CPACK_DEBIAN_PACKAGE_SECTION net)
include(CPack)
