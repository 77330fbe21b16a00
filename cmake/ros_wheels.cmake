# Builds with the ROS 2 wheels of PyPI need this file; a machine with ROS 2 installed does not.
# Use: colcon build --cmake-args -DCMAKE_PROJECT_INCLUDE=$PWD/cmake/ros_wheels.cmake
#
# Both repairs below need all targets to exist and are therefore deferred to the end.

# The wheels' exported *__rosidl_generator_py targets name the include folders of the Python they were
# built with. Those folders do not exist on this machine, and CMake refuses targets that name them.
function(siammaskpp_drop_missing_include_dirs target)
  get_target_property(folders ${target} INTERFACE_INCLUDE_DIRECTORIES)
  if(NOT folders)
    return()
  endif()
  set(kept "")
  foreach(folder IN LISTS folders)
    if(NOT IS_ABSOLUTE "${folder}" OR EXISTS "${folder}")
      list(APPEND kept "${folder}")
    endif()
  endforeach()
  set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${kept}")
endfunction()

# The target of our own Python interfaces names NumPy's headers, which lie below the source folder when
# the virtual environment does. CMake refuses to export such a path, which only this build needs.
function(siammaskpp_hide_folders_of_the_source target)
  get_target_property(folders ${target} INTERFACE_INCLUDE_DIRECTORIES)
  set(kept "")
  foreach(folder IN LISTS folders)
    string(FIND "${folder}" "${CMAKE_SOURCE_DIR}/" position)
    if(position EQUAL 0)
      set(folder "$<BUILD_INTERFACE:${folder}>")
    endif()
    list(APPEND kept "${folder}")
  endforeach()
  set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${kept}")
endfunction()

function(siammaskpp_repair_targets)
  get_property(targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(target IN LISTS targets)
    siammaskpp_drop_missing_include_dirs(${target})
  endforeach()
  if(TARGET ${PROJECT_NAME}__rosidl_generator_py)
    siammaskpp_hide_folders_of_the_source(${PROJECT_NAME}__rosidl_generator_py)
  endif()
endfunction()

cmake_language(DEFER CALL siammaskpp_repair_targets)
