# CPack runs this script when the files of a package are in place, and before it makes the package of them. A
# Debian package has a copyright file, a changelog of upstream's and one of its own, and compressed documents (Debian
# Policy 12).
if(NOT CPACK_GENERATOR STREQUAL "DEB")
  return()
endif()

set(root ${CPACK_TEMPORARY_INSTALL_DIRECTORY}${CPACK_PACKAGING_INSTALL_PREFIX})
set(share ${root}/share)
set(doc ${share}/doc/${CPACK_PACKAGE_NAME})

file(RENAME ${doc}/LICENSE ${doc}/copyright)

configure_file(${CMAKE_CURRENT_LIST_DIR}/../docs/CHANGELOG.md ${doc}/changelog COPYONLY)
# The time of the build, or SOURCE_DATE_EPOCH.
string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
file(WRITE ${doc}/changelog.Debian
"${CPACK_PACKAGE_NAME} (${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}) unstable; urgency=medium

  * Built by CPack from the sources of ${CPACK_PACKAGE_VERSION}. changelog.gz tells what is new.

 -- ${CPACK_PACKAGE_CONTACT}  ${date}
")

file(GLOB_RECURSE plain ${share}/man/*.[1-8])
execute_process(COMMAND gzip -9n ${plain} ${doc}/changelog ${doc}/changelog.Debian COMMAND_ERROR_IS_FATAL ANY)

configure_file(${CMAKE_CURRENT_LIST_DIR}/lintian-overrides ${share}/lintian/overrides/${CPACK_PACKAGE_NAME} COPYONLY)

# Whatever the umask is.
execute_process(COMMAND chmod -R u=rwX,go=rX ${root} COMMAND_ERROR_IS_FATAL ANY)
